{{/* Name of all objects: that of the release, with that of the chart unless it is part of it. */}}
{{- define "mcp-gateway.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that select the pods. They never change. */}}
{{- define "mcp-gateway.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "mcp-gateway.labels" -}}
{{ include "mcp-gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{- define "mcp-gateway.image" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}

{{- define "mcp-gateway.account" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "mcp-gateway.name" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* Namespace of the servers. */}}
{{- define "mcp-gateway.servers" -}}
{{- .Values.orchestrator.namespace | default .Release.Namespace -}}
{{- end -}}

{{/* The configuration: that of the values, with what follows from the cluster. */}}
{{- define "mcp-gateway.config" -}}
{{- $name := include "mcp-gateway.name" . -}}
{{- $local := printf "%s.%s" $name .Release.Namespace -}}
{{- $hosts := list $name $local (printf "%s.svc" $local) (printf "%s.svc.cluster.local" $local) -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := set $config "listen" "0.0.0.0:8080" -}}
{{- $_ := set $config "replicaUrl" (dict "env" "REPLICA_URL") -}}
{{- $_ := set $config "hosts" (concat $hosts (.Values.config.hosts | default list) | uniq) -}}
{{- if .Values.orchestrator.enabled -}}
{{- $selector := fromYaml (include "mcp-gateway.selector" .) -}}
{{- $cluster := dict "namespace" (include "mcp-gateway.servers" .) "instance" $name -}}
{{- $cluster = merge $cluster (dict "bridgeImage" (include "mcp-gateway.image" .) "gatewayLabels" $selector) -}}
{{- $source := dict -}}
{{- range $kind := list "objects" "gateways" "lifecycleOperator" -}}
{{- if index $.Values.orchestrator $kind -}}
{{- $_ := set $source $kind true -}}
{{- end -}}
{{- end -}}
{{- if $source -}}
{{- $_ := set $cluster "source" $source -}}
{{- end -}}
{{- $_ := set $config "kubernetes" (mergeOverwrite $cluster (.Values.config.kubernetes | default dict)) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}
