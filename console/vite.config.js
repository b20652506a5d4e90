import { defineConfig } from "vite";

// `npm run dev` serves the sources and passes everything else on to a running `carrel serve`.
const SERVER = "http://127.0.0.1:8080";

export default defineConfig({
  base: "/console/",
  build: {
    outDir: "../src/carrel/console_dist",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: false,
    reportCompressedSize: false,
  },
  server: {
    proxy: Object.fromEntries(
      ["/v1", "/admin", "/console/session", "/readyz", "/metrics", "/openapi.json"].map((path) => [path, SERVER]),
    ),
  },
});
