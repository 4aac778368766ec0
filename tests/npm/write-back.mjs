// Reads a Secret by @kubernetes/client-node, gives it a value, and replaces it whole; then patches a placeholder in by a merge patch.
// Arguments: the folder node_modules, a kubeconfig, namespace and name.
import { createRequire } from "node:module";

const [modules, kubeconfig, namespace, name] = process.argv.slice(2);
const k8s = await import(createRequire(`${modules}/`).resolve("@kubernetes/client-node"));
const config = new k8s.KubeConfig();
config.loadFromFile(kubeconfig);
const api = config.makeApiClient(k8s.CoreV1Api);
const secret = await api.readNamespacedSecret({ name, namespace });
secret.data.more = Buffer.from("new").toString("base64");
await api.replaceNamespacedSecret({ name, namespace, body: secret });
const merge = k8s.setHeaderOptions("Content-Type", k8s.PatchStrategy.MergePatch);
await api.patchNamespacedSecret({ name, namespace, body: { data: { password: secret.data.password, node: secret.data.more } } }, merge);
