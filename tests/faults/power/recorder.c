// Loaded into an unmodified program by LD_PRELOAD: keeps a journal of all that it does to the files of one folder, from
// which tests/harness/power.py builds what a disk may hold after a power cut. See README.md beside this file.
//
//   POWER_FOLDER   the folder, an absolute path without links; its files must be named by absolute paths
//   POWER_JOURNAL  where the journal goes, outside of the folder
//
// What changes something is noted before it is done, what promises something (a sync) or consumes input afterwards: so
// the journal is right whenever the process is killed. The syncs themselves are left out, which only saves time.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct record {
    uint32_t kind, name_size;
    uint64_t inode;
    int64_t offset;
    uint64_t size, time_ns, data_size;
};

enum { most_fds = 4096 };
static uint64_t inodes[most_fds];  // of open files of the folder, and of the folder; 0: neither
static char is_folder[most_fds];
static int journal = -1;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

// What comes next behind this library: the C library, or a sanitizer.
#define REAL(type, name, ...)                \
    static type (*real_##name)(__VA_ARGS__); \
    if (!real_##name) real_##name = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static void give_up(const char *why) {
    fprintf(stderr, "recorder: %s: %s\n", why, strerror(errno));
    _exit(99);
}

static const char *setting(const char *name) {
    const char *const value = getenv(name);
    return value == NULL ? "" : value;
}

static int real_open_path(const char *path, int flags, mode_t mode) {
    REAL(int, open, const char *, int, ...);
    return real_open(path, flags, mode);
}

// 0: none of the folder. Else where the name within it begins; 0 is no name's place.
static size_t name_in_folder(const char *path) {
    const char *const folder = setting("POWER_FOLDER");
    const size_t size = strlen(folder);
    return size > 0 && strncmp(path, folder, size) == 0 && path[size] == '/' && path[size + 1] != 0 ? size + 1
                                                                                                    : 0;
}

static int watched(int fd) {
    return fd >= 0 && fd < most_fds && inodes[fd] != 0;
}

static void note(char kind, uint64_t inode, const char *name, size_t name_size, int64_t offset, uint64_t size,
                 const void *data, size_t data_size) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    if (journal < 0)
        journal = real_open_path(setting("POWER_JOURNAL"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (journal < 0) give_up("unable to open the journal");
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct record record = {(uint32_t)kind, (uint32_t)name_size,
                            inode,          offset,
                            size,           (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
                            data_size};
    struct iovec parts[] = {{&record, sizeof record}, {(void *)name, name_size}, {(void *)data, data_size}};
    if (real_writev(journal, parts, 3) != (ssize_t)(sizeof record + name_size + data_size))
        give_up("unable to write the journal");
}

static int open_watched(const char *path, int flags, mode_t mode) {
    const int is_top = strcmp(path, setting("POWER_FOLDER")) == 0;
    const size_t name = name_in_folder(path);
    if (!is_top && name == 0) return real_open_path(path, flags, mode);
    struct stat info;
    const int is_new = stat(path, &info) != 0;
    pthread_mutex_lock(&mutex);
    const int fd = real_open_path(path, flags, mode);
    if (fd >= 0) {
        if (fd >= most_fds || fstat(fd, &info) != 0) give_up("too many files");
        inodes[fd] = S_ISREG(info.st_mode) || is_top ? (uint64_t)info.st_ino : 0;
        is_folder[fd] = (char)is_top;
        if (inodes[fd] != 0 && is_new)
            note('C', info.st_ino, path + name, strlen(path + name), 0, 0, NULL, 0);
        if (inodes[fd] != 0 && !is_new && (flags & O_TRUNC)) note('T', info.st_ino, NULL, 0, 0, 0, NULL, 0);
    }
    pthread_mutex_unlock(&mutex);
    return fd;
}

static mode_t mode_of(int flags, va_list list) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
}

#define OPEN(name)                                \
    int name(const char *path, int flags, ...) {  \
        va_list list;                             \
        va_start(list, flags);                    \
        const mode_t mode = mode_of(flags, list); \
        va_end(list);                             \
        return open_watched(path, flags, mode);   \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    REAL(int, close, int);
    if (fd >= 0 && fd < most_fds) inodes[fd] = 0, is_folder[fd] = 0;
    return real_close(fd);
}

ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t);
    if (!watched(fd)) return real_write(fd, data, size);
    pthread_mutex_lock(&mutex);
    const int append = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
    note('W', inodes[fd], NULL, 0, lseek(fd, 0, append ? SEEK_END : SEEK_CUR), size, data, size);
    const ssize_t done = real_write(fd, data, size);
    pthread_mutex_unlock(&mutex);
    return done;
}

#define PWRITE(name, type)                                             \
    ssize_t name(int fd, const void *data, size_t size, type offset) { \
        REAL(ssize_t, name, int, const void *, size_t, type);          \
        if (!watched(fd)) return real_##name(fd, data, size, offset);  \
        pthread_mutex_lock(&mutex);                                    \
        note('W', inodes[fd], NULL, 0, offset, size, data, size);      \
        const ssize_t done = real_##name(fd, data, size, offset);      \
        pthread_mutex_unlock(&mutex);                                  \
        return done;                                                   \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define FTRUNCATE(name, type)                                       \
    int name(int fd, type size) {                                   \
        REAL(int, name, int, type);                                 \
        if (!watched(fd)) return real_##name(fd, size);             \
        pthread_mutex_lock(&mutex);                                 \
        note('T', inodes[fd], NULL, 0, 0, (uint64_t)size, NULL, 0); \
        const int done = real_##name(fd, size);                     \
        pthread_mutex_unlock(&mutex);                               \
        return done;                                                \
    }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

#define SYNC(name)                                                           \
    int name(int fd) {                                                       \
        REAL(int, name, int);                                                \
        if (!watched(fd)) return real_##name(fd);                            \
        pthread_mutex_lock(&mutex);                                          \
        note(is_folder[fd] ? 'D' : 'S', inodes[fd], NULL, 0, 0, 0, NULL, 0); \
        pthread_mutex_unlock(&mutex);                                        \
        return 0;                                                            \
    }
SYNC(fsync)
SYNC(fdatasync)

int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *);
    const size_t from_name = name_in_folder(from), to_name = name_in_folder(to);
    if (from_name == 0 && to_name == 0) return real_rename(from, to);
    if (from_name == 0 || to_name == 0) give_up("a file is moved across the folder's border");
    struct stat info;
    char names[8192];
    pthread_mutex_lock(&mutex);
    if (stat(from, &info) == 0) {
        const int size = snprintf(names, sizeof names, "%s%c%s", from + from_name, 0, to + to_name);
        note('R', info.st_ino, names, (size_t)size, 0, 0, NULL, 0);
    }
    const int done = real_rename(from, to);
    pthread_mutex_unlock(&mutex);
    return done;
}

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    const size_t name = name_in_folder(path);
    if (name == 0) return real_unlink(path);
    pthread_mutex_lock(&mutex);
    if (access(path, F_OK) == 0) note('U', 0, path + name, strlen(path + name), 0, 0, NULL, 0);
    const int done = real_unlink(path);
    pthread_mutex_unlock(&mutex);
    return done;
}

// What is written through a mapping is not seen: the harness fills such a file with anything.
static void before_mmap(int fd, int protection, int flags) {
    if (watched(fd) && (protection & PROT_WRITE) && (flags & MAP_SHARED))
        note('M', inodes[fd], NULL, 0, 0, 0, NULL, 0);
}

#define MMAP(name, type)                                                                \
    void *name(void *at, size_t size, int protection, int flags, int fd, type offset) { \
        REAL(void *, name, void *, size_t, int, int, int, type);                        \
        before_mmap(fd, protection, flags);                                             \
        return real_##name(at, size, protection, flags, fd, offset);                    \
    }
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)

// A looking reader consumes its standard input by this.
ssize_t splice(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t size, unsigned flags) {
    REAL(ssize_t, splice, int, off64_t *, int, off64_t *, size_t, unsigned);
    const ssize_t done = real_splice(from, from_offset, to, to_offset, size, flags);
    if (from != STDIN_FILENO || done <= 0) return done;
    pthread_mutex_lock(&mutex);
    note('X', 0, NULL, 0, 0, (uint64_t)done, NULL, 0);
    pthread_mutex_unlock(&mutex);
    return done;
}
