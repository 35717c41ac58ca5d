/* The floor: what it costs merely to receive what a sync has to read.

   floor -H URI -D BIND-DN -y PASSWORD-FILE [-p PAGE] [-r READAHEAD] [-g GATHER] [-w WINDOW]
         BASE FILTER ATTRIBUTE,ATTRIBUTE... [BASE FILTER ATTRIBUTES]...

   Does the searches one after the other on one connection, touches every byte of every DN and
   value, keeps nothing, and prints a line of counts for each search. Any result but success, or a
   page without its cookie, ends it with exit status 1.

   -p  entries a page (RFC 2696); 0, the default, asks for everything at once
   -r  bytes of read-ahead below libldap; 0, the default, leaves libldap's own two reads a message
   -g  microseconds to wait at most, when the read-ahead is empty in mid-answer, before reading on:
       the server then writes many entries for each time that it wakes us (needs -r); at first four
       for each entry that has come
   -w  bytes that the system takes in before they are read; once it is full the server's system
       gathers what the server writes

   cc -O2 floor.c -o floor -lldap -llber */
#define _GNU_SOURCE
#include <lber.h>
#include <ldap.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_ATTRIBUTES = 64, TIMEOUT_SECONDS = 60 };

struct options {
  const char *uri, *bind_dn, *password_file;
  int page;
  ber_len_t readahead;
  useconds_t gather;
  int window;
};

struct search {
  const char *base, *filter;
  char *attributes[MAX_ATTRIBUTES + 1];
};

struct counts {
  unsigned long pages, entries, values, bytes, sum;
};

static _Noreturn void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("floor: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

static void check(int code, const char *what) {
  if (code != LDAP_SUCCESS) fail("%s: %s", what, ldap_err2string(code));
}

static _Noreturn void usage(void) {
  fputs("usage: floor -H URI -D BIND-DN -y PASSWORD-FILE [-p PAGE] [-r READAHEAD] [-g GATHER]"
        " [-w WINDOW] BASE FILTER ATTRIBUTES...\n", stderr);
  exit(64);
}

static struct options parse_options(int argc, char **argv) {
  struct options options = {0};
  int option;
  while ((option = getopt(argc, argv, "H:D:y:p:r:g:w:")) != -1) {
    switch (option) {
    case 'H': options.uri = optarg; break;
    case 'D': options.bind_dn = optarg; break;
    case 'y': options.password_file = optarg; break;
    case 'p': options.page = atoi(optarg); break;
    case 'r': options.readahead = strtoul(optarg, NULL, 10); break;
    case 'g': options.gather = strtoul(optarg, NULL, 10); break;
    case 'w': options.window = atoi(optarg); break;
    default: usage();
    }
  }
  int searches = argc - optind;
  if (!options.uri || !options.bind_dn || !options.password_file) usage();
  if (searches == 0 || searches % 3 != 0) usage();
  if (options.gather && !options.readahead) usage();
  return options;
}

static struct search parse_search(char **arguments) {
  struct search search = {.base = arguments[0], .filter = arguments[1]};
  int count = 0;
  for (char *name = strtok(arguments[2], ","); name; name = strtok(NULL, ",")) {
    if (count == MAX_ATTRIBUTES) fail("more than %d attributes", MAX_ATTRIBUTES);
    search.attributes[count++] = name;
  }
  return search;
}

static void bind_simply(LDAP *ld, const struct options *options) {
  char password[256];
  FILE *file = fopen(options->password_file, "r");
  if (!file) fail("%s cannot be opened", options->password_file);
  struct berval credentials = {fread(password, 1, sizeof password, file), password};
  fclose(file);
  check(ldap_sasl_bind_s(ld, options->bind_dn, LDAP_SASL_SIMPLE, &credentials, NULL, NULL, NULL),
        "bind");
}

static LDAP *open_connection(const struct options *options) {
  LDAP *ld = NULL;
  int version = LDAP_VERSION3;
  check(ldap_initialize(&ld, options->uri), options->uri);
  check(ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version), "protocol version");
  check(ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF), "referrals");
  bind_simply(ld, options);
  return ld;
}

/* The socket below libldap, with the read-ahead in place where one is asked for. */
static Sockbuf *open_socket_buffer(LDAP *ld, ber_len_t readahead, int window) {
  Sockbuf *socket = NULL;
  int descriptor = -1;
  check(ldap_get_option(ld, LDAP_OPT_SOCKBUF, &socket), "socket buffer");
  check(ldap_get_option(ld, LDAP_OPT_DESC, &descriptor), "descriptor");
  if (window && setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &window, sizeof window) != 0)
    fail("no window of %d bytes", window);
  if (readahead && ber_sockbuf_add_io(socket, &ber_sockbuf_io_readahead,
                                      LBER_SBIOD_LEVEL_PROVIDER + 1, &readahead) != 0)
    fail("no read-ahead of %lu bytes", (unsigned long)readahead);
  return socket;
}

static void touch(struct counts *counts, struct berval value) {
  for (ber_len_t i = 0; i < value.bv_len; i++) counts->sum += (unsigned char)value.bv_val[i];
  counts->bytes += value.bv_len;
}

static void receive_entry(LDAP *ld, LDAPMessage *message, struct counts *counts) {
  BerElement *element = NULL;
  struct berval dn, attribute, *values;
  check(ldap_get_dn_ber(ld, message, &element, &dn), "DN");
  touch(counts, dn);
  for (;;) {
    values = NULL;
    check(ldap_get_attribute_ber(ld, message, element, &attribute, &values), "attribute");
    if (!attribute.bv_val) break;
    for (struct berval *value = values; value && value->bv_val; value++) {
      touch(counts, *value);
      counts->values++;
    }
    ber_memfree(values);
  }
  ber_free(element, 0);
  counts->entries++;
}

/* Reads the server's final word on a page, and the cookie of the page that follows. */
static void receive_result(LDAP *ld, LDAPMessage *message, int paged, struct berval *cookie) {
  int code;
  LDAPControl **controls = NULL;
  check(ldap_parse_result(ld, message, &code, NULL, NULL, NULL, &controls, 0), "result");
  check(code, "search");
  ber_memfree(cookie->bv_val);
  *cookie = (struct berval){0, NULL};
  if (paged) {
    ber_int_t estimate;
    LDAPControl *page = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
    if (!page) fail("a page came without its cookie");
    check(ldap_parse_pageresponse_control(ld, page, &estimate, cookie), "cookie");
  }
  ldap_controls_free(controls);
}

static int ask(LDAP *ld, const struct search *search, int page, struct berval *cookie) {
  LDAPControl *control = NULL;
  int id;
  if (page)
    check(ldap_create_page_control(ld, page, cookie->bv_val ? cookie : NULL, 1, &control), "page");
  LDAPControl *controls[] = {control, NULL};
  check(ldap_search_ext(ld, search->base, LDAP_SCOPE_SUBTREE, search->filter,
                        (char **)search->attributes, 0, controls, NULL, NULL, LDAP_NO_LIMIT, &id),
        "search");
  if (control) ldap_control_free(control);
  return id;
}

static void receive_page(LDAP *ld, Sockbuf *socket, int id, const struct options *options,
                         struct berval *cookie, struct counts *counts) {
  for (int first = 1, done = 0; !done; first = 0) {
    LDAPMessage *message = NULL;
    struct timeval timeout = {.tv_sec = TIMEOUT_SECONDS};
    if (options->gather && !first && !ber_sockbuf_ctrl(socket, LBER_SB_OPT_DATA_READY, NULL))
      usleep(counts->entries * 4 < options->gather ? counts->entries * 4 : options->gather);
    switch (ldap_result(ld, id, LDAP_MSG_ONE, &timeout, &message)) {
    case LDAP_RES_SEARCH_ENTRY:
      receive_entry(ld, message, counts);
      break;
    case LDAP_RES_SEARCH_RESULT:
      receive_result(ld, message, options->page != 0, cookie);
      done = 1;
      break;
    case LDAP_RES_SEARCH_REFERENCE: break;
    case 0: fail("no answer for %d seconds", TIMEOUT_SECONDS);
    default: fail("the connection was lost");
    }
    ldap_msgfree(message);
  }
  counts->pages++;
}

int main(int argc, char **argv) {
  struct options options = parse_options(argc, argv);
  LDAP *ld = open_connection(&options);
  Sockbuf *socket = open_socket_buffer(ld, options.readahead, options.window);
  for (char **arguments = argv + optind; *arguments; arguments += 3) {
    struct search search = parse_search(arguments);
    struct counts counts = {0};
    struct berval cookie = {0, NULL};
    do {
      int id = ask(ld, &search, options.page, &cookie);
      receive_page(ld, socket, id, &options, &cookie, &counts);
    } while (cookie.bv_len > 0);
    ber_memfree(cookie.bv_val);
    printf("entries=%lu values=%lu bytes=%lu pages=%lu sum=%lu\n", counts.entries, counts.values,
           counts.bytes, counts.pages, counts.sum);
  }
  ldap_unbind_ext(ld, NULL, NULL);
  return 0;
}
