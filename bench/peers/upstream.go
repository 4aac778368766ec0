package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

func upstream() http.Handler {
	small := []byte(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-0","namespace":"default"},"x":"` + strings.Repeat("y", 900) + `"}`)
	chunk := make([]byte, 64<<10)
	for i := range chunk {
		chunk[i] = "the quick brown fox jumps over the lazy dog\n"[(i*7+i/97)%44]
	}
	list, page := podList(1<<20), podList(30_000)
	var packed bytes.Buffer
	packer, _ := gzip.NewWriterLevel(&packed, 1) // as kube-apiserver (AS handlers/responsewriters/writers.go)
	packer.Write(list)
	packer.Close()
	var calls atomic.Uint64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// As in kube-apiserver, this differs in every answer, so that a cache of whole heads does not help.
		w.Header().Set("Audit-Id", fmt.Sprintf("%08x-0000-4000-8000-%012x", calls.Load(), calls.Add(1)))
		switch {
		case strings.HasSuffix(r.URL.Path, "/exec"):
			execFlood(w, r)
		case strings.HasSuffix(r.URL.Path, "/secrets"):
			w.Header().Set("Content-Type", "application/json")
			for n := range watchedSecrets {
				io.WriteString(w, secretEvent(n))
				if n%50 == 49 {
					w.(http.Flusher).Flush()
				}
			}
		case r.URL.Query().Get("watch") != "":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"type":"ADDED","object":%s}`+"\n", small)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case strings.HasSuffix(r.URL.Path, "/pods"):
			w.Header().Set("Content-Type", "application/json")
			if r.URL.Query().Has("limit") {
				w.Write(page) // without a length: in HTTP/1.1 it comes chunked, as kube-apiserver's answers above a few kB
			} else if r.Header.Get("Accept-Encoding") == "gzip" {
				w.Header().Set("Content-Encoding", "gzip")
				w.Write(packed.Bytes())
			} else {
				w.Write(list)
			}
		case strings.HasSuffix(r.URL.Path, "/log"):
			w.Header().Set("Content-Type", "text/plain")
			for left, _ := strconv.Atoi(r.URL.Query().Get("limitBytes")); left > 0; left -= len(chunk) {
				w.Write(chunk[:min(left, len(chunk))])
			}
		case r.Method == "POST":
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			io.Copy(w, r.Body)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.Write(small)
		}
	})
}

// podList is a list of pods in JSON as kube-apiserver writes it, of about `size` bytes. Nothing in it is a secret.
func podList(size int) []byte {
	var list bytes.Buffer
	list.WriteString(`{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"51234"},"items":[`)
	for n := 0; list.Len() < size; n++ {
		if n > 0 {
			list.WriteByte(',')
		}
		name := fmt.Sprintf("web-%d", n)
		fmt.Fprintf(&list, `{"metadata":{"name":%q,"namespace":"default","uid":"5d0c9d4e-6a3a-4a55-9d3e-%012x","resourceVersion":"%d","creationTimestamp":"2026-11-01T09:00:00Z","labels":{"app":"web","pod-template-hash":"6b7f6db8c"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-6b7f6db8c","uid":"0c8f1d3a-2b41-4b0e-8f65-7f2f7d3d4a55","controller":true,"blockOwnerDeletion":true}],"managedFields":[{"manager":"kubelet","operation":"Update","apiVersion":"v1","time":"2026-11-01T09:00:07Z","fieldsType":"FieldsV1","fieldsV1":{"f:status":{"f:conditions":{"k:{\"type\":\"Ready\"}":{".":{},"f:status":{},"f:type":{}}},"f:containerStatuses":{},"f:phase":{},"f:podIP":{}}},"subresource":"status"}]},`, name, n, 40000+n)
		fmt.Fprintf(&list, `"spec":{"volumes":[{"name":"kube-api-access-7xk2p","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}}],"defaultMode":420}}],"containers":[{"name":"web","image":"registry.example.com/web@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","ports":[{"containerPort":8080,"protocol":"TCP"}],"env":[{"name":"POD_NAME","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}},{"name":"LOG_LEVEL","value":"info"},{"name":"DB_HOST","value":"db.default.svc"}],"resources":{"requests":{"cpu":"100m","memory":"128Mi"}},"volumeMounts":[{"name":"kube-api-access-7xk2p","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}],"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"default","nodeName":"node-%d","schedulerName":"default-scheduler"},`, n%7)
		fmt.Fprintf(&list, `"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-11-01T09:00:07Z"}],"hostIP":"10.0.0.%d","podIP":"10.1.%d.%d","startTime":"2026-11-01T09:00:00Z","containerStatuses":[{"name":"web","state":{"running":{"startedAt":"2026-11-01T09:00:06Z"}},"ready":true,"restartCount":0,"image":"registry.example.com/web:1.4.2","containerID":"containerd://%064x"}],"qosClass":"Burstable"}}`, n%7, n/250, n%250, n)
	}
	list.WriteString("]}\n")
	return list.Bytes()
}

const watchedSecrets = 1000

// secretEvent is the n-th event of a watch of Secrets.
func secretEvent(n int) string {
	value := base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf("a password of its own, number %d", n)))
	return fmt.Sprintf(`{"type":"ADDED","object":{"kind":"Secret","apiVersion":"v1","metadata":{"name":"db-%d","namespace":"default","uid":"5d0c9d4e-6a3a-4a55-9d3e-%012x","resourceVersion":"%d","creationTimestamp":"2026-11-01T09:00:00Z"},"data":{"password":%q,"username":"YWRtaW4="},"type":"Opaque"}}`+"\n", n, n, 40000+n, value)
}
