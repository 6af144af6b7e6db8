/*
 * Loaded before a program (LD_PRELOAD): records what it writes to the files of one directory and when that was synced,
 * and makes syncs as slow as those of a cheap disk.
 *
 *   DISK_DIRECTORY, DISK_RECORD   the directory, and the file that the record is appended to
 *   DISK_SYNC_MS                  how long a sync takes
 *
 * The record holds calls in the order in which they ended, each as a line "CALL BEGIN END OFFSET LENGTH PATH" followed
 * by the bytes of a write. BEGIN and END count calls begun and ended so far, over all threads.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long ticks = 0;
static FILE *record = NULL;
static const char *directory = NULL;
static long sync_ms = 0;

__attribute__((constructor)) static void start(void) {
  const char *name = getenv("DISK_RECORD");
  const char *delay = getenv("DISK_SYNC_MS");
  directory = getenv("DISK_DIRECTORY");
  if (name != NULL && directory != NULL) record = fopen(name, "ab");
  if (delay != NULL) sync_ms = atol(delay);
}

static long tick(void) {
  pthread_mutex_lock(&lock);
  long now = ++ticks;
  pthread_mutex_unlock(&lock);
  return now;
}

static int recorded(int fd, char *path) {
  if (record == NULL) return 0;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strncmp(path, directory, strlen(directory)) == 0;
}

static void note(const char *call, const char *path, long begun, long long offset, const void *data, size_t length) {
  pthread_mutex_lock(&lock);
  fprintf(record, "%s %ld %ld %lld %zu %s\n", call, begun, ++ticks, offset, length, path);
  if (data != NULL) fwrite(data, 1, length, record);
  fflush(record);
  pthread_mutex_unlock(&lock);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
  REAL(pwrite);
  char path[PATH_MAX];
  if (!recorded(fd, path)) return real(fd, data, length, offset);
  long begun = tick();
  ssize_t written = real(fd, data, length, offset);
  if (written > 0) note("pwrite", path, begun, offset, data, written);
  return written;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) { return pwrite(fd, data, length, offset); }

ssize_t write(int fd, const void *data, size_t length) {
  REAL(write);
  char path[PATH_MAX];
  if (!recorded(fd, path)) return real(fd, data, length);
  long begun = tick();
  ssize_t written = real(fd, data, length);
  if (written > 0) note("write", path, begun, -1, data, written);
  return written;
}

int unlink(const char *path) {
  REAL(unlink);
  int known = record != NULL && strncmp(path, directory, strlen(directory)) == 0;
  long begun = tick();
  int result = real(path);
  if (known && result == 0) note("unlink", path, begun, 0, NULL, 0);
  return result;
}

int ftruncate(int fd, off_t length) {
  REAL(ftruncate);
  char path[PATH_MAX];
  if (!recorded(fd, path)) return real(fd, length);
  long begun = tick();
  int result = real(fd, length);
  if (result == 0) note("truncate", path, begun, length, NULL, 0);
  return result;
}

int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }

static int slow_sync(int fd, int (*real)(int)) {
  char path[PATH_MAX];
  int known = recorded(fd, path);
  long begun = tick();
  if (sync_ms > 0) usleep(sync_ms * 1000);
  int result = real(fd);
  if (known && result == 0) note("sync", path, begun, 0, NULL, 0);
  return result;
}

int fsync(int fd) {
  REAL(fsync);
  return slow_sync(fd, real);
}

int fdatasync(int fd) {
  REAL(fdatasync);
  return slow_sync(fd, real);
}
