// SPDX-License-Identifier: Apache-2.0
// The entrypoint of a PostgreSQL image without a shell: `postgres-init PROGRAM [ARGUMENT…]`.
//
// If the program is the server, and $PGDATA has no cluster yet, it makes one. Then it becomes the program.
//
//   POSTGRES_PASSWORD           the superuser's password, or
//   POSTGRES_PASSWORD_FILE      a file whose first line it is; one of the two is required
//   POSTGRES_USER               the superuser (default: postgres)
//   POSTGRES_DB                 a database to make (default: named as the superuser)
//   POSTGRES_HOST_AUTH_METHOD   how who comes over TCP logs in (default: scram-sha-256); `trust` needs no password
//   POSTGRES_INITDB_ARGS        more arguments for initdb, parted by spaces
//
// The password goes to initdb through a pipe: it is in no file, no argument, and not in the server's environment.
//
// A cluster is there as a whole or not at all. It is made in $PGDATA/.new; when it is complete, that becomes
// $PGDATA/.made, whose entries move up, PG_VERSION last. A start that was interrupted is taken up where it was.

#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// What initdb is preloaded with, since it knows only a shell to start programs.
#define NO_SHELL "/usr/lib/postgres-init/no-shell.so"
#define LENGTH(array) (int)(sizeof(array) / sizeof *(array))
#define NEW ".new"
#define MADE ".made"

enum {
    PASSWORD_BYTES_MAX = 1000, // fits into a pipe, and into what PostgreSQL takes
    NAME_BYTES_MAX = 63,       // NAMEDATALEN
    ARGUMENTS_MAX = 64,        // of POSTGRES_INITDB_ARGS
    OPEN_FILES = 16,           // while a directory is removed
};

struct settings {
    char password[PASSWORD_BYTES_MAX + 2]; // with a newline; empty if there is none
    const char *user, *database, *method, *arguments;
};

static volatile sig_atomic_t child, stopped;

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("postgres-init: error: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static const char *setting(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : otherwise;
}

// Checks a name of a user or a database.
static const char *name_of(const char *variable, const char *name) {
    if (strlen(name) > NAME_BYTES_MAX) fail("%s is longer than %d bytes", variable, NAME_BYTES_MAX);
    for (const char *at = name; *at != '\0'; at++) {
        if (iscntrl((unsigned char)*at)) fail("%s has a control character", variable);
    }
    return name;
}

// Writes a name in double quotes, as SQL and pg_hba.conf have them.
static void quote(FILE *to, const char *name) {
    fputc('"', to);
    for (; *name != '\0'; name++) {
        if (*name == '"') fputc('"', to);
        fputc(*name, to);
    }
    fputc('"', to);
}

static void read_password_file(const char *path, char *password, size_t size) {
    FILE *file = fopen(path, "re");
    if (file == NULL) fail("can't read POSTGRES_PASSWORD_FILE %s: %s", path, strerror(errno));
    setvbuf(file, NULL, _IONBF, 0); // no copy that stays in memory
    if (fgets(password, (int)size, file) == NULL) fail("POSTGRES_PASSWORD_FILE %s is empty", path);
    fclose(file);
    password[strcspn(password, "\r\n")] = '\0';
}

static void read_password(struct settings *settings) {
    const char *value = setting("POSTGRES_PASSWORD", NULL);
    const char *path = setting("POSTGRES_PASSWORD_FILE", NULL);
    char *password = settings->password;
    if (value != NULL && path != NULL) fail("POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are both set");
    if (path != NULL) {
        read_password_file(path, password, sizeof settings->password);
    } else if (value != NULL) {
        snprintf(password, sizeof settings->password, "%s", value);
    }
    if (password[0] == '\0') {
        if (strcmp(settings->method, "trust") == 0) return;
        fail("there is no cluster in PGDATA yet, and no password for its superuser: set POSTGRES_PASSWORD_FILE or "
             "POSTGRES_PASSWORD (or POSTGRES_HOST_AUTH_METHOD=trust, which lets everybody in without one)");
    }
    if (strlen(password) > PASSWORD_BYTES_MAX) fail("the password is longer than %d bytes", PASSWORD_BYTES_MAX);
    if (strpbrk(password, "\r\n") != NULL) fail("the password has a newline");
    strcat(password, "\n");
}

static struct settings read_settings(void) {
    struct settings settings = {.arguments = setting("POSTGRES_INITDB_ARGS", "")};
    settings.user = name_of("POSTGRES_USER", setting("POSTGRES_USER", "postgres"));
    settings.database = name_of("POSTGRES_DB", setting("POSTGRES_DB", settings.user));
    settings.method = setting("POSTGRES_HOST_AUTH_METHOD", "scram-sha-256");
    if (settings.method[strspn(settings.method, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0') {
        fail("POSTGRES_HOST_AUTH_METHOD is no name of a method: %s", settings.method);
    }
    read_password(&settings);
    return settings;
}

static void pass_on(int number) {
    stopped = number;
    if (child > 0) kill((pid_t)child, number);
}

static void end_if_stopped(void) {
    if (stopped) fail("stopped by signal %d", (int)stopped);
}

// Runs a program to its end; it must succeed. What is written to `input` it can read as its descriptor `target`.
static void run(char *const *arguments, const char *input, size_t length, int target, int is_quiet) {
    int ends[2];
    if (pipe(ends) < 0) fail("can't make a pipe: %s", strerror(errno));
    pid_t process = fork();
    if (process < 0) fail("can't start %s: %s", arguments[0], strerror(errno));
    if (process == 0) {
        close(ends[1]);
        if (dup2(ends[0], target) < 0) _exit(127);
        if (ends[0] != target) close(ends[0]);
        int null = is_quiet ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
        if (is_quiet && (null < 0 || dup2(null, STDOUT_FILENO) < 0)) _exit(127);
        signal(SIGPIPE, SIG_DFL);
        execvp(arguments[0], arguments);
        fprintf(stderr, "postgres-init: error: can't run %s: %s\n", arguments[0], strerror(errno));
        _exit(127);
    }
    child = process;
    close(ends[0]);
    // A program that ends without reading is found below.
    while (length > 0) {
        ssize_t count = write(ends[1], input, length);
        if (count < 0 && errno != EINTR) break;
        if (count > 0) input += count, length -= (size_t)count;
    }
    close(ends[1]);
    int status;
    while (waitpid(process, &status, 0) < 0) {
        if (errno != EINTR) fail("can't wait for %s: %s", arguments[0], strerror(errno));
    }
    child = 0;
    end_if_stopped();
    if (WIFSIGNALED(status)) fail("%s was killed by signal %d", arguments[0], WTERMSIG(status));
    if (WEXITSTATUS(status) != 0) fail("%s failed with exit code %d", arguments[0], WEXITSTATUS(status));
}

static void run_initdb(struct settings *settings) {
    // Whoever is the server's own user in the system can do all with it anyway.
    const struct passwd *own = getpwuid(geteuid());
    int is_own = own != NULL && strcmp(own->pw_name, settings->user) == 0;
    char user[sizeof "--username=" + NAME_BYTES_MAX], host[64], more[4096];
    snprintf(user, sizeof user, "--username=%s", settings->user);
    if (snprintf(host, sizeof host, "--auth-host=%s", settings->method) >= (int)sizeof host ||
        snprintf(more, sizeof more, "%s", settings->arguments) >= (int)sizeof more) {
        fail("POSTGRES_HOST_AUTH_METHOD or POSTGRES_INITDB_ARGS is too long");
    }
    int has_password = settings->password[0] != '\0';
    char *arguments[ARGUMENTS_MAX + 8] = {"initdb", "--pgdata=" NEW, "--no-instructions", user, host};
    int count = 5;
    arguments[count++] = is_own         ? "--auth-local=peer"
                         : has_password ? "--auth-local=scram-sha-256"
                                        : "--auth-local=trust";
    // A container's own loopback is of use to nobody.
    arguments[count++] = "--set=listen_addresses=*";
    if (has_password) arguments[count++] = "--pwfile=/proc/self/fd/3";
    for (char *word = strtok(more, " \t\n"); word != NULL; word = strtok(NULL, " \t\n")) {
        if (count + 1 == LENGTH(arguments)) fail("POSTGRES_INITDB_ARGS has too many arguments");
        arguments[count++] = word;
    }
    if (access(NO_SHELL, R_OK) == 0) setenv("LD_PRELOAD", NO_SHELL, 1);
    run(arguments, settings->password, strlen(settings->password), 3, 0);
    unsetenv("LD_PRELOAD");
    explicit_bzero(settings->password, sizeof settings->password);
}

// Lets users of other machines log in, which initdb does not.
static void allow_hosts(const struct settings *settings) {
    FILE *file = fopen(NEW "/pg_hba.conf", "ae");
    if (file == NULL) fail("can't open pg_hba.conf: %s", strerror(errno));
    fprintf(file, "\n# Added by postgres-init.\nhost    all             all             all                     %s\n",
            settings->method);
    if (fclose(file) != 0) fail("can't write pg_hba.conf: %s", strerror(errno));
}

static void make_database(const struct settings *settings) {
    if (strcmp(settings->database, "postgres") == 0) return;
    char *text = NULL;
    size_t length = 0;
    FILE *statement = open_memstream(&text, &length);
    if (statement == NULL) fail("there is no memory");
    fputs("CREATE DATABASE ", statement);
    quote(statement, settings->database);
    fputc('\n', statement);
    if (fclose(statement) != 0) fail("there is no memory");
    char *arguments[] = {"postgres", "--single", "-D", NEW, "-c", "exit_on_error=true", "postgres", NULL};
    run(arguments, text, length, STDIN_FILENO, 1);
    free(text);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static void sync_directory(const char *path) {
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 || fsync(directory) < 0) fail("can't write %s to the disk: %s", path, strerror(errno));
    close(directory);
}

// Moves an entry of the complete cluster to its place.
static void move_up(const char *name) {
    char path[sizeof MADE + NAME_MAX + 1];
    snprintf(path, sizeof path, MADE "/%s", name);
    if (rename(path, name) < 0) fail("can't move %s to PGDATA: %s", path, strerror(errno));
}

static void take_over(void) {
    struct stat status;
    DIR *directory = opendir(MADE);
    if (directory == NULL || stat(MADE, &status) < 0) fail("can't read PGDATA/" MADE ": %s", strerror(errno));
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, "PG_VERSION") != 0) move_up(name);
    }
    closedir(directory);
    // The server insists on this, and initdb knows which it is.
    if (chmod(".", status.st_mode & 07777) < 0) fail("can't set the mode of PGDATA: %s", strerror(errno));
    sync_directory(".");
    move_up("PG_VERSION");
    rmdir(MADE);
    sync_directory(".");
}

// Returns whether there is nothing in $PGDATA but what an earlier start or the file system itself left there.
static int is_empty(void) {
    DIR *directory = opendir(".");
    if (directory == NULL) fail("can't read PGDATA: %s", strerror(errno));
    int found = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        const char *name = entry->d_name;
        found |= strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, NEW) != 0 &&
                 strcmp(name, "lost+found") != 0;
    }
    closedir(directory);
    return !found;
}

static void make_cluster(void) {
    if (geteuid() == 0) fail("PostgreSQL does not run as root");
    const char *place = setting("PGDATA", NULL);
    if (place == NULL) fail("PGDATA is not set");
    int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (chdir(place) < 0) fail("can't enter PGDATA %s: %s", place, strerror(errno));
    if (access("PG_VERSION", F_OK) < 0) {
        struct stat status;
        if (stat(".", &status) < 0) fail("can't look at PGDATA %s: %s", place, strerror(errno));
        if (status.st_uid != geteuid()) {
            fail("PGDATA %s belongs to user %u, and must belong to user %u, who runs the server", place, status.st_uid,
                 geteuid());
        }
        if (access(MADE "/PG_VERSION", F_OK) < 0) {
            if (!is_empty()) fail("%s is not empty, and there is no cluster in it", place);
            struct settings settings = read_settings();
            unsetenv("POSTGRES_PASSWORD");
            if (nftw(NEW, remove_one, OPEN_FILES, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT) {
                fail("can't remove %s/" NEW ", which an earlier start left: %s", place, strerror(errno));
            }
            run_initdb(&settings);
            allow_hosts(&settings);
            make_database(&settings);
            sync_directory(NEW);
            if (rename(NEW, MADE) < 0) fail("can't rename PGDATA/" NEW ": %s", strerror(errno));
            sync_directory(".");
        }
        take_over();
    }
    if (before < 0 || fchdir(before) < 0) fail("can't go back to the working directory: %s", strerror(errno));
}

// Returns whether these arguments start the server, rather than ask it something.
static int is_server(char *const *arguments) {
    const char *name = strrchr(arguments[0], '/');
    if (strcmp(name == NULL ? arguments[0] : name + 1, "postgres") != 0) return 0;
    static const char *const others[] = {"--boot", "--check", "--describe-config", "--forkchild", "--help",
                                         "--single", "--version", "-?", "-C", "-V"};
    for (int i = 1; arguments[i] != NULL; i++) {
        for (int k = 0; k < LENGTH(others); k++) {
            if (strcmp(arguments[i], others[k]) == 0) return 0;
        }
    }
    return 1;
}

int main(int count, char **arguments) {
    if (count < 2) fail("usage: postgres-init PROGRAM [ARGUMENT...]");
    if (is_server(arguments + 1)) {
        // As the first process of a container it gets no signal that it does not ask for.
        struct sigaction action = {.sa_handler = pass_on};
        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGINT, &action, NULL);
        signal(SIGPIPE, SIG_IGN);
        mode_t mask = umask(077);
        make_cluster();
        umask(mask);
        signal(SIGPIPE, SIG_DFL);
        end_if_stopped();
    }
    unsetenv("POSTGRES_PASSWORD");
    execvp(arguments[1], arguments + 1);
    fail("can't run %s: %s", arguments[1], strerror(errno));
}
