<?php
foreach (["openssl", "curl", "mbstring", "json", "iconv", "zlib", "sodium", "readline", "Zend OPcache"] as $name) {
    if (!extension_loaded($name)) { fwrite(STDERR, "no extension $name\n"); exit(2); }
}
if (posix_getuid() !== 65532) { exit(3); }
if (mb_strtoupper("grün") !== "GRÜN" || iconv("UTF-8", "ISO-8859-1", "ä") !== "\xe4") { exit(4); }
if ((new DateTimeZone("Europe/Berlin"))->getName() !== "Europe/Berlin") { exit(5); }
echo "modules ok ", OPENSSL_VERSION_TEXT, "\n";
$curl = curl_init("https://localhost:4433/");
curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);
$body = curl_exec($curl);
if ($body === false) { fwrite(STDERR, curl_error($curl)); exit(6); }
$stream = @file_get_contents("https://localhost:4433/");
if ($stream !== $body) { fwrite(STDERR, "streams do not verify as curl does"); exit(7); }
echo $body;
