import { render } from "preact";
import { App } from "./app";
import { followLinks } from "./router";

followLinks();
render(<App />, document.getElementById("app")!);
