//go:build tools

package main

import _ "k8s.io/kubernetes/cmd/kubectl" // built beside this program, from the same modules
