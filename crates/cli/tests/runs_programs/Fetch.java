import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.ZoneId;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

public class Fetch {
    static TrustManagerFactory trust(KeyStore store) throws Exception {
        var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return factory;
    }

    static String get(HttpClient client) throws Exception {
        var request = HttpRequest.newBuilder(URI.create("https://localhost:4433/")).build();
        return client.send(request, HttpResponse.BodyHandlers.ofString()).body();
    }

    public static void main(String[] arguments) throws Exception {
        var anchors = ((X509TrustManager) trust(null).getTrustManagers()[0]).getAcceptedIssuers();
        System.out.println("anchors " + anchors.length);
        System.out.println("modules ok " + System.getProperty("java.version") + " " + ZoneId.of("Europe/Berlin"));
        try {
            get(HttpClient.newHttpClient());
            throw new AssertionError("an unknown authority is trusted");
        } catch (javax.net.ssl.SSLHandshakeException expected) {
            System.out.println("refused " + expected.getMessage());
        }
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        var certificates = CertificateFactory.getInstance("X.509");
        try (var file = new FileInputStream(arguments[0])) {
            int number = 0;
            for (var certificate : certificates.generateCertificates(file)) {
                store.setCertificateEntry("c" + number++, certificate);
            }
        }
        var context = SSLContext.getInstance("TLS");
        context.init(null, trust(store).getTrustManagers(), null);
        System.out.print(get(HttpClient.newBuilder().sslContext(context).build()));
    }
}
