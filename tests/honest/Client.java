// Java's java.net.http with one request a block of stdin (path, then name and value a line, then an empty line), as there is no JSON in
// the JDK; a line of stdout says status, HTTP, or 0 and why. The arguments: URL, PEM of the authority, 1.1 or 2.
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Client {
    public static void main(String[] arguments) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (FileInputStream file = new FileInputStream(arguments[1])) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(null, trust.getTrustManagers(), null);
        HttpClient.Version version = arguments[2].equals("2") ? HttpClient.Version.HTTP_2 : HttpClient.Version.HTTP_1_1;
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.ISO_8859_1));
        for (String path = input.readLine(); path != null; path = input.readLine()) {
            HttpClient client = HttpClient.newBuilder().sslContext(tls).version(version).build();
            HttpRequest.Builder request = null;
            String failed = null;
            try {
                request = HttpRequest.newBuilder(URI.create(arguments[0] + path)).timeout(Duration.ofSeconds(10));
            } catch (IllegalArgumentException error) {
                failed = error.toString();
            }
            for (String name = input.readLine(); !name.isEmpty(); name = input.readLine()) {
                String value = input.readLine();
                try {
                    if (name.equals("x-body")) { // not a header: the request is a POST with so many bytes
                        request.POST(HttpRequest.BodyPublishers.ofByteArray(new byte[Integer.parseInt(value)]));
                    } else {
                        request.header(name, value);
                    }
                } catch (IllegalArgumentException error) {
                    failed = error.toString();
                }
            }
            if (failed == null) {
                try {
                    HttpResponse<String> answer = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
                    System.out.println(answer.statusCode() + " " + answer.version());
                    continue;
                } catch (Exception error) {
                    failed = error.toString();
                }
            }
            System.out.println("0 " + failed.replace('\n', ' '));
        }
    }
}
