require "json"
require "net/http"
require "openssl"
require "psych"
require "securerandom"
require "socket"
require "zlib"

raise "uid" unless Process.uid == 65532
raise "yaml" unless Psych.load("a: [1, 2]") == { "a" => [1, 2] }
raise "zlib" unless Zlib.inflate(Zlib.deflate("x" * 100)) == "x" * 100
raise "encoding" unless "ä".encode("ISO-8859-1").bytes == [0xe4]
raise "digest" unless OpenSSL::Digest::SHA256.hexdigest("").start_with?("e3b0c442")
puts "modules ok #{OpenSSL::OPENSSL_LIBRARY_VERSION}"
puts Net::HTTP.get(URI("https://localhost:4433/"))
