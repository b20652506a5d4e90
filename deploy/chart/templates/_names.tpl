{{- define "carrel.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "carrel.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "carrel.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{ include "carrel.selector" . }}
{{- end }}

{{- define "carrel.graceSeconds" -}}
{{ index .Values.settings "CARREL_DRAIN__GRACE_SECONDS" | default 20 | int }}
{{- end }}

{{/* A pod that runs `carrel` with arguments. Takes root, component, own (its values), and container: what is particular to it. */}}
{{- define "carrel.pod" -}}
metadata:
  labels:
    {{- include "carrel.selector" . | nindent 4 }}
  annotations:
    checksum/settings: {{ .root.Values.settings | toJson | sha256sum }}
    {{- with .own.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  automountServiceAccountToken: false
  # Else Kubernetes would set CARREL_PORT and the like for a service called carrel, and no server starts with settings that don't exist.
  enableServiceLinks: false
  # Waiting, then the grace of streams, then the ends of the processes.
  terminationGracePeriodSeconds: {{ add .root.Values.preStopSeconds (include "carrel.graceSeconds" .root) 30 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "carrel.selector" $ | nindent 10 }}
    {{- end }}
  {{- with .own.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .own.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .own.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ printf "%s:%s" .root.Values.image.repository (.root.Values.image.tag | default .root.Chart.AppVersion) }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      envFrom:
        - configMapRef:
            name: {{ include "carrel.name" .root }}
        - secretRef:
            name: {{ .root.Values.existingSecret }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      resources:
        {{- toYaml .own.resources | nindent 8 }}
      volumeMounts:
        - name: data
          mountPath: /var/lib/carrel
        - name: tmp
          mountPath: /tmp
        {{- if .root.Values.originals.existingClaim }}
        - name: originals
          mountPath: /srv/carrel/originals
        {{- end }}
      {{- .container | nindent 6 }}
  volumes:
    # It outlives the container, so that usage which a crash kept from Postgres is written by the next; not the pod.
    - name: data
      emptyDir: {}
    - name: tmp
      emptyDir: {}
    {{- with .root.Values.originals.existingClaim }}
    - name: originals
      persistentVolumeClaim:
        claimName: {{ . }}
    {{- end }}
{{- end }}
