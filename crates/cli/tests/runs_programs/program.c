/* What a compiled program expects of its image: user, time zone, certificates, libraries. */
#include <dlfcn.h>
#include <iconv.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int count, char **libraries) {
    struct passwd *user = getpwuid(getuid());
    if (getuid() != 65532 || !user || strcmp(user->pw_name, "nonroot")) return 2;
    setenv("TZ", "Europe/Berlin", 1);
    time_t zero = 0;
    if (localtime(&zero)->tm_hour != 1) return 3;
    FILE *bundle = fopen(getenv("SSL_CERT_FILE"), "r");
    char line[64];
    if (!bundle || !fgets(line, sizeof line, bundle) || strncmp(line, "-----BEGIN", 10)) return 4;
    if (fopen("/x", "w") || !fopen("/tmp/x", "w") || !access("/bin/sh", F_OK)) return 5;
    if (iconv_open("UCS-4", "UTF-8") == (iconv_t)-1) return 6;
    for (int i = 1; i < count; i++) {
        if (!dlopen(libraries[i], RTLD_NOW)) { puts(dlerror()); return 7; }
    }
    puts("program ok");
    return 0;
}
