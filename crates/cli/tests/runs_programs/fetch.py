import ssl
import urllib.request

print("anchors", len(ssl.create_default_context().get_ca_certs()))
print(urllib.request.urlopen("https://localhost:4433/", timeout=20).read().decode(), end="")
