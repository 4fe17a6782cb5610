// Greets whoever asks. An example of a service that is compiled in a build stage.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

// version is set by the linker.
var version = "unknown"

func main() {
	address := flag.String("listen", ":8080", "address to listen at")
	check := flag.String("check", "", "ask this URL, and fail if it does not answer")
	show := flag.Bool("version", false, "print the version")
	flag.Parse()
	switch {
	case *show:
		fmt.Println("greeter", version)
	case *check != "":
		client := http.Client{Timeout: 5 * time.Second}
		answer, err := client.Get(*check)
		if err != nil || answer.StatusCode != http.StatusOK {
			log.Fatalf("%s does not answer: %v", *check, err)
		}
	default:
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			name := r.URL.Query().Get("name")
			if name == "" {
				name = "world"
			}
			fmt.Fprintf(w, "hello, %s\n", name)
		})
		server := http.Server{Addr: *address, ReadHeaderTimeout: 5 * time.Second}
		if err := server.ListenAndServe(); err != nil {
			log.Print(err)
			os.Exit(1)
		}
	}
}
