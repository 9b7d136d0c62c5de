{{/* The annotations of a webhook configuration, with their key; nothing if there are none. */}}
{{- define "tidegate.webhookAnnotations" -}}
{{- $annotations := .Values.webhook.annotations -}}
{{- if eq .Values.certificate.mode "certManager" -}}
{{- $injector := dict "cert-manager.io/inject-ca-from" (printf "%s/%s" .Release.Namespace (include "tidegate.fullname" .)) -}}
{{- $annotations = merge $injector $annotations -}}
{{- end -}}
{{- with $annotations -}}
annotations: {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* One entry of a webhook configuration. Takes root, name, path, failurePolicy, namespaces (operator and values of a
     matchExpression, in addition to the exempt ones) and, if not all resources with images, the template of the rules. */}}
{{- define "tidegate.webhook" -}}
- name: {{ .name }}
  failurePolicy: {{ .failurePolicy }}
  sideEffects: None
  # Also match requests with another API version of the same resource.
  matchPolicy: Equivalent
  timeoutSeconds: {{ int .root.Values.webhook.timeoutSeconds }}
  admissionReviewVersions: [v1]
  clientConfig:
    service:
      namespace: {{ .root.Release.Namespace }}
      name: {{ include "tidegate.fullname" .root }}
      port: 443
      path: {{ .path }}
    {{- if eq .root.Values.certificate.mode "secret" }}
    caBundle: {{ .root.Values.certificate.caBundle | b64enc }}
    {{- end }}
  namespaceSelector:
    matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: NotIn
        values: {{ include "tidegate.exemptNamespaces" .root }}
      {{- with .namespaces }}
      - key: kubernetes.io/metadata.name
        operator: {{ .operator }}
        values: {{ toJson .values }}
      {{- end }}
  {{- with .root.Values.webhook.objectSelector }}
  objectSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  # Exactly the resources with images. No status, no scale, no leases: nothing that a cluster needs to recover.
  rules: {{- include (.rules | default "tidegate.resourceRules") .root | nindent 4 }}
  # An update that changes no image passes without a call: replicas, labels, environment, finalizers, and what the
  # Deployment and Job controllers write. The API server evaluates this itself, so such updates also pass while tidegate is
  # down. The expression lists the images where each kind has them: Pods, workloads with a template, CronJobs.
  matchConditions:
    - name: images-changed
      expression: >-
        {{- include "tidegate.imagesChanged" . | nindent 8 }}
    {{- range .root.Values.webhook.matchConditions }}
    - {{ toYaml . | nindent 6 | trim }}
    {{- end }}
{{- end -}}

{{/* The images of an object, as a CEL list of lists. Takes the CEL variable's name. */}}
{{- define "tidegate.imagesOf" -}}
[{{ . }}.?spec, {{ . }}.?spec.?template.?spec, {{ . }}.?spec.?jobTemplate.?spec.?template.?spec].map(s,
  [s.?containers.orValue([]).map(c, c.?image.orValue("")),
   s.?initContainers.orValue([]).map(c, c.?image.orValue("")),
   s.?ephemeralContainers.orValue([]).map(c, c.?image.orValue("")),
   s.?volumes.orValue([]).map(v, v.?image.?reference.orValue(""))])
{{- end -}}

{{- define "tidegate.imagesChanged" -}}
request.operation != "UPDATE" ||
{{ include "tidegate.imagesOf" "object" }} !=
{{ include "tidegate.imagesOf" "oldObject" }}
{{- end -}}

{{/* Exactly the resources with images. */}}
{{- define "tidegate.resourceRules" -}}
- apiGroups: [""]
  apiVersions: [v1]
  resources: [pods, pods/ephemeralcontainers, replicationcontrollers]
  operations: [CREATE, UPDATE]
  scope: Namespaced
- apiGroups: [apps]
  apiVersions: [v1]
  resources: [deployments, replicasets, statefulsets, daemonsets]
  operations: [CREATE, UPDATE]
  scope: Namespaced
- apiGroups: [batch]
  apiVersions: [v1]
  resources: [jobs, cronjobs]
  operations: [CREATE, UPDATE]
  scope: Namespaced
{{- end -}}

{{/* Pods only: workloads keep their tags, and the Pods made from them are pinned. */}}
{{- define "tidegate.podRules" -}}
- apiGroups: [""]
  apiVersions: [v1]
  resources: [pods, pods/ephemeralcontainers]
  operations: [CREATE, UPDATE]
  scope: Namespaced
{{- end -}}
