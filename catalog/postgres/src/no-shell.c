// SPDX-License-Identifier: Apache-2.0
// popen(), pclose() and system() for initdb where there is no shell.
//
// initdb and the servers that it starts run a handful of command lines, all of one form: a program, words, and
// redirections, such as
//     "/usr/lib/postgresql/17/bin/postgres" --single -F template1 >/dev/null
// The C library gives them to /bin/sh. This library, preloaded into initdb, starts the program itself. It knows
// quotes, `<`, `>` and `2>&1`, and refuses everything else that would mean something to a shell.

#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 256, STREAMS_MAX = 8, NOT_FOUND = 127 };

// Characters that mean something to a shell outside of quotes, and within double ones.
static const char SPECIAL[] = "|&;()$`\\*?[]#~=!{}\n";
static const char SPECIAL_QUOTED[] = "$`\\!";

struct command {
    char *text; // what the words point into
    char *words[WORDS_MAX + 1];
    const char *input, *output;
    int errors_to_output;
};

static struct {
    FILE *stream;
    pid_t process;
} streams[STREAMS_MAX];

// Reads the word at *from to where `to` points, and ends it with a NUL. Returns 0 for what only a shell knows.
static int read_word(const char **from, char **to) {
    const char *at = *from;
    for (; *at != '\0' && !isspace((unsigned char)*at) && *at != '<' && *at != '>'; at++) {
        if (*at == '"' || *at == '\'') {
            char quote = *at++;
            for (; *at != quote; at++) {
                if (*at == '\0' || (quote == '"' && strchr(SPECIAL_QUOTED, *at) != NULL)) return 0;
                *(*to)++ = *at;
            }
        } else if (strchr(SPECIAL, *at) != NULL && !(*at == '=' && at != *from)) {
            return 0;
        } else {
            *(*to)++ = *at;
        }
    }
    if (at == *from) return 0;
    *(*to)++ = '\0';
    *from = at;
    return 1;
}

// Splits a command line. Returns 0 for what only a shell knows.
static int parse(const char *line, struct command *command) {
    size_t count = 0;
    memset(command, 0, sizeof *command);
    // Each word is at least as long as it is without quotes, and what ends it becomes the NUL.
    char *to = command->text = malloc(strlen(line) + 2);
    if (to == NULL) return 0;
    for (const char *at = line;;) {
        while (*at == ' ' || *at == '\t') at++;
        if (*at == '\0') break;
        if (strncmp(at, "2>&1", 4) == 0 && (at[4] == '\0' || at[4] == ' ')) {
            if (command->output == NULL) return 0;
            command->errors_to_output = 1;
            at += 4;
            continue;
        }
        if (*at == '<' || *at == '>') {
            const char **place = *at == '<' ? &command->input : &command->output;
            do at++; while (*at == ' ');
            if (*place != NULL) return 0;
            *place = to;
        } else {
            if (count == WORDS_MAX) return 0;
            command->words[count++] = to;
        }
        if (!read_word(&at, &to)) return 0;
    }
    return count > 0;
}

static void redirect(const char *path, int flags, int target) {
    if (path == NULL) return;
    int file = open(path, flags, 0600);
    if (file < 0 || dup2(file, target) < 0) _exit(NOT_FOUND);
    if (file != target) close(file);
}

// Starts a command. One end of `ends`, if there is one, becomes its descriptor `target`. A program that is not
// there ends with 127, as it would in a shell.
static pid_t start(const char *line, const int ends[2], int end, int target) {
    struct command command;
    if (!parse(line, &command)) {
        fprintf(stderr, "no-shell: this takes a shell: %s\n", line);
        free(command.text);
        errno = EINVAL;
        return -1;
    }
    fflush(NULL);
    pid_t process = fork();
    if (process == 0) {
        if (ends != NULL) {
            if (ends[end] != target && dup2(ends[end], target) < 0) _exit(NOT_FOUND);
            for (int i = 0; i < 2; i++) {
                if (ends[i] != target) close(ends[i]);
            }
        }
        redirect(command.input, O_RDONLY, STDIN_FILENO);
        redirect(command.output, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
        if (command.errors_to_output) dup2(STDOUT_FILENO, STDERR_FILENO);
        execvp(command.words[0], command.words);
        _exit(NOT_FOUND);
    }
    free(command.text);
    return process;
}

static int wait_for(pid_t process) {
    int status;
    while (waitpid(process, &status, 0) < 0) {
        if (errno != EINTR) return -1;
    }
    return status;
}

FILE *popen(const char *line, const char *mode) {
    int reads = mode[0] == 'r', slot = 0, ends[2];
    while (slot < STREAMS_MAX && streams[slot].stream != NULL) slot++;
    if (slot == STREAMS_MAX) {
        errno = EMFILE;
        return NULL;
    }
    if (pipe2(ends, O_CLOEXEC) < 0) return NULL;
    pid_t process = start(line, ends, reads ? 1 : 0, reads ? STDOUT_FILENO : STDIN_FILENO);
    FILE *stream = process < 0 ? NULL : fdopen(ends[reads ? 0 : 1], reads ? "r" : "w");
    close(ends[reads ? 1 : 0]);
    if (stream == NULL) {
        close(ends[reads ? 0 : 1]);
        if (process > 0) wait_for(process);
        return NULL;
    }
    streams[slot].stream = stream;
    streams[slot].process = process;
    return stream;
}

int pclose(FILE *stream) {
    for (int slot = 0; slot < STREAMS_MAX; slot++) {
        if (streams[slot].stream != stream) continue;
        streams[slot].stream = NULL;
        fclose(stream);
        return wait_for(streams[slot].process);
    }
    errno = EINVAL;
    return -1;
}

int system(const char *line) {
    if (line == NULL) return 0; // there is no shell
    pid_t process = start(line, NULL, 0, 0);
    return process < 0 ? -1 : wait_for(process);
}
