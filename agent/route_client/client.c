#include "agent/route_client/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(sizeof(struct lpr_reader) == 64, "a reader has a cache line of its own");

static void release_mapping(struct lpr_mapping* mapping) {
  if (mapping == NULL || --mapping->users > 0) return;
  munmap(mapping->at, mapping->octets);
  free(mapping);
}

static void free_snapshot(struct lpr_snapshot* snapshot) {
  release_mapping(snapshot->table_mapping);
  release_mapping(snapshot->marks_mapping);
  free(snapshot);
}

static int refuse(struct lpr_client* client, const char* what, const char* why, uint64_t at) {
  snprintf(client->refusal, sizeof client->refusal, "%s: %s (at %llu)", what, why,
           (unsigned long long)at);
  client->is_refused = 1;
  return -1;
}

static void remember(struct lpr_seen* seen, const struct stat* status, int fd) {
  if (seen->fd >= 0) close(seen->fd);
  seen->device = status->st_dev;
  seen->inode = status->st_ino;
  seen->fd = fd;
}

static struct lpr_mapping* map_file(int fd, off_t octets) {
  struct lpr_mapping* mapping = malloc(sizeof *mapping);
  if (mapping == NULL) return NULL;
  mapping->octets = (size_t)octets;
  mapping->users = 1;
  mapping->at = mmap(NULL, mapping->octets, PROT_READ, MAP_SHARED, fd, 0);
  if (mapping->at != MAP_FAILED) return mapping;
  free(mapping);
  return NULL;
}

/* Maps the file at `path` if it is not the one `seen`, and remembers it there. NULL: nothing new
   there, or it cannot be mapped; *error is then 0 or an errno. */
static struct lpr_mapping* map_if_new(const char* path, off_t octets_min, off_t octets_max,
                                      struct lpr_seen* seen, int* error) {
  struct stat status;
  *error = 0;
  if (stat(path, &status) != 0) {
    if (errno != ENOENT) *error = errno;
    return NULL;
  }
  if (seen->fd >= 0 && seen->device == status.st_dev && seen->inode == status.st_ino) return NULL;
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 || fstat(fd, &status) != 0) {
    *error = errno;
    if (fd >= 0) close(fd);
    return NULL;
  }
  struct lpr_mapping* mapping = NULL;
  if (!S_ISREG(status.st_mode) || status.st_size < octets_min || status.st_size > octets_max) {
    *error = EFBIG;
  } else if ((mapping = map_file(fd, status.st_size)) == NULL) {
    *error = errno;
    close(fd); /* and tried again by the next poll */
    return NULL;
  }
  remember(seen, &status, fd);
  return mapping;
}

static int is_older(const struct lp_route_header* a, const struct lp_route_header* b) {
  if (a->epoch != b->epoch) return a->epoch < b->epoch;
  return a->version < b->version;
}

/* 1: `next` holds a new table, 0: nothing new, -1: refused. */
static int take_table(struct lpr_client* client, struct lpr_snapshot* next) {
  int error;
  struct lpr_mapping* mapping =
      map_if_new(client->table_path, (off_t)sizeof(struct lp_route_header),
                 (off_t)LP_ROUTE_FILE_OCTETS_MAX + (off_t)LP_ROUTE_TRAILER_OCTETS,
                 &client->table_seen, &error);
  if (mapping == NULL) {
    if (error == 0) return client->is_refused ? -1 : 0;
    return refuse(client, client->table_path,
                  error == EFBIG ? "not a file of a route table's size" : strerror(error), 0);
  }
  struct lp_route_view view;
  const struct lp_route_verdict verdict = lp_route_file_check(mapping->at, mapping->octets, &view);
  if (verdict.fault != LP_ROUTE_FAULT_NONE) {
    release_mapping(mapping);
    return refuse(client, client->table_path, lp_route_fault_text(verdict.fault), verdict.at);
  }
  const struct lp_route_header* old = next->view.header;
  if (old != NULL && old->node == view.header->node && is_older(view.header, old)) {
    const uint64_t version = view.header->version;
    release_mapping(mapping);
    return refuse(client, client->table_path, "older than the table in use", version);
  }
  if (next->table_mapping != NULL) --next->table_mapping->users;
  next->table_mapping = mapping;
  next->view = view;
  client->is_refused = 0;
  client->refusal[0] = '\0';
  return 1;
}

/* 1: `next` holds new marks. Marks that are not ours to read are as none: better no skip than a
   wrong one. */
static int take_marks(struct lpr_client* client, struct lpr_snapshot* next) {
  int error;
  if (client->marks_path == NULL) return 0;
  struct lpr_mapping* mapping =
      map_if_new(client->marks_path, (off_t)LP_MARKS_FILE_OCTETS, (off_t)LP_MARKS_FILE_OCTETS,
                 &client->marks_seen, &error);
  if (mapping == NULL) return 0;
  const struct lp_marks_header* header = mapping->at;
  if (memcmp(header->magic, LP_MARKS_MAGIC, sizeof header->magic) != 0 ||
      header->format != LP_MARKS_FORMAT || header->word_count != LP_MARKS_WORDS) {
    release_mapping(mapping);
    return 0;
  }
  if (next->marks_mapping != NULL) --next->marks_mapping->users;
  next->marks_mapping = mapping;
  next->marks = (const struct lp_marks_word*)(const void*)(header + 1);
  return 1;
}

/* Frees what no reader holds any more. At most one retired snapshot per reader stays. */
static void reclaim(struct lpr_client* client) {
  struct lpr_snapshot** link = &client->retired;
  while (*link != NULL) {
    struct lpr_snapshot* snapshot = *link;
    int is_held = 0;
    for (struct lpr_reader* reader = client->readers; reader != NULL; reader = reader->next) {
      is_held |= atomic_load(&reader->pinned) == snapshot;
    }
    if (is_held) {
      link = &snapshot->retired_next;
    } else {
      *link = snapshot->retired_next;
      free_snapshot(snapshot);
    }
  }
}

static void drain(int watch) {
  char events[4096];
  if (watch < 0) return;
  while (read(watch, events, sizeof events) > 0) {
  }
}

static int poll_locked(struct lpr_client* client) {
  struct lpr_snapshot* old = atomic_load(&client->current);
  struct lpr_snapshot* next = malloc(sizeof *next);
  if (next == NULL) return refuse(client, client->table_path, "no memory", 0);
  drain(client->watch); /* before looking: what comes later makes the descriptor readable again */
  *next = *old;
  next->retired_next = NULL;
  if (next->table_mapping != NULL) ++next->table_mapping->users;
  if (next->marks_mapping != NULL) ++next->marks_mapping->users;
  const int table_news = take_table(client, next);
  const int marks_news = take_marks(client, next);
  if (table_news == 1 || marks_news == 1) {
    atomic_store(&client->current, next);
    old->retired_next = client->retired;
    client->retired = old;
  } else {
    free_snapshot(next);
  }
  reclaim(client);
  return table_news;
}

int lpr_poll(lpr_client* client) {
  pthread_mutex_lock(&client->lock);
  const int news = poll_locked(client);
  pthread_mutex_unlock(&client->lock);
  return news;
}

const char* lpr_refusal(const lpr_client* client) { return client->refusal; }

int lpr_fd(const lpr_client* client) { return client->watch; }

/* Watches the directory that `path` is in; renames into it make the descriptor readable. */
static int watch_directory(int watch, const char* path) {
  const char* slash = strrchr(path, '/');
  char* directory = slash == NULL   ? strdup(".")
                    : slash == path ? strdup("/")
                                    : strndup(path, (size_t)(slash - path));
  if (directory == NULL) return -1;
  int result = 0;
  if (watch >= 0) {
    result = inotify_add_watch(watch, directory, IN_MOVED_TO | IN_ONLYDIR) < 0 ? -1 : 0;
  } else {
    result = access(directory, X_OK);
  }
  /* Out of watches is not out of luck: lpr_poll() works without. */
  if (result != 0 && errno == ENOSPC) result = 0;
  free(directory);
  return result;
}

static const char* open_parts(struct lpr_client* client, const char* table_path,
                              const char* marks_path) {
  struct lpr_snapshot* empty = calloc(1, sizeof *empty);
  if (empty == NULL) return "no memory";
  atomic_init(&client->current, empty);
  client->table_path = strdup(table_path);
  if (client->table_path == NULL) return "no memory";
  if (marks_path != NULL && (client->marks_path = strdup(marks_path)) == NULL) return "no memory";
  client->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (watch_directory(client->watch, table_path) != 0) {
    return "the directory of the table file cannot be watched";
  }
  if (marks_path != NULL && watch_directory(client->watch, marks_path) != 0) {
    return "the directory of the marks file cannot be watched";
  }
  return NULL;
}

lpr_client* lpr_open(const char* table_path, const char* marks_path, const char** reason) {
  struct lpr_client* client = calloc(1, sizeof *client);
  const char* failure = "no memory";
  if (client != NULL) {
    client->watch = -1;
    client->table_seen.fd = -1;
    client->marks_seen.fd = -1;
    pthread_mutex_init(&client->lock, NULL);
    failure = open_parts(client, table_path, marks_path);
  }
  if (reason != NULL) *reason = failure;
  if (failure != NULL) {
    const int error = errno;
    lpr_close(client);
    errno = error;
    return NULL;
  }
  lpr_poll(client);
  return client;
}

void lpr_close(lpr_client* client) {
  if (client == NULL) return;
  reclaim(client);
  struct lpr_snapshot* current = atomic_load(&client->current);
  if (current != NULL) free_snapshot(current);
  if (client->watch >= 0) close(client->watch);
  if (client->table_seen.fd >= 0) close(client->table_seen.fd);
  if (client->marks_seen.fd >= 0) close(client->marks_seen.fd);
  pthread_mutex_destroy(&client->lock);
  free(client->table_path);
  free(client->marks_path);
  free(client);
}

lpr_reader* lpr_reader_new(lpr_client* client) {
  struct lpr_reader* reader = aligned_alloc(64, sizeof *reader);
  if (reader == NULL) return NULL;
  memset(reader, 0, sizeof *reader);
  atomic_init(&reader->pinned, NULL);
  reader->client = client;
  pthread_mutex_lock(&client->lock);
  reader->next = client->readers;
  client->readers = reader;
  pthread_mutex_unlock(&client->lock);
  return reader;
}

void lpr_reader_free(lpr_reader* reader) {
  if (reader == NULL) return;
  struct lpr_client* client = reader->client;
  pthread_mutex_lock(&client->lock);
  struct lpr_reader** link = &client->readers;
  while (*link != reader) link = &(*link)->next;
  *link = reader->next;
  pthread_mutex_unlock(&client->lock);
  free(reader);
}

void lpr_reader_idle(lpr_reader* reader) {
  reader->seen = NULL;
  reader->is_held = 0;
  atomic_store(&reader->pinned, NULL);
}

const struct lpr_snapshot* lpr_repin(struct lpr_reader* reader) {
  struct lpr_snapshot* current = atomic_load(&reader->client->current);
  for (;;) { /* once more for every swap that happens meanwhile */
    atomic_store(&reader->pinned, current);
    struct lpr_snapshot* again = atomic_load(&reader->client->current);
    if (again == current) break;
    current = again;
  }
  reader->seen = current;
  return current;
}
