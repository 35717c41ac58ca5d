#pragma once
// What Swift cannot import from libldap: macros with casts, and the address of an I/O layer.
#include <lber.h>
#include <ldap.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum {
  usher_res_bind = 0x61,
  usher_res_search_entry = 0x64,
  usher_res_search_result = 0x65,
  usher_res_search_reference = 0x73,
  usher_res_extended = 0x78,
  usher_res_intermediate = 0x79,
};

/// Puts a buffer of so many bytes under the connection, so that one read takes many messages.
/// Returns the connection's socket; NULL where that cannot be.
static inline Sockbuf *usher_ldap_read_ahead(LDAP *ld, ber_len_t size) {
  Sockbuf *sb = NULL;
  if (ldap_get_option(ld, LDAP_OPT_SOCKBUF, &sb) != LDAP_OPT_SUCCESS || sb == NULL) return NULL;
  int added = ber_sockbuf_add_io(sb, &ber_sockbuf_io_readahead, LBER_SBIOD_LEVEL_PROVIDER + 1, &size);
  return added == 0 ? sb : NULL;
}

/// Whether something was read from a socket that no message has been made of yet.
static inline int usher_ldap_holds_data(Sockbuf *sb) {
  return ber_sockbuf_ctrl(sb, LBER_SB_OPT_DATA_READY, NULL);
}

/// Whether the other end of a TCP connection is on this machine: the server, or somebody who stands for it.
static inline int usher_ldap_is_local(Sockbuf *sb) {
  ber_socket_t fd = -1;
  struct sockaddr_storage own = {0}, other = {0};
  socklen_t own_size = sizeof own, other_size = sizeof other;
  if (ber_sockbuf_ctrl(sb, LBER_SB_OPT_GET_FD, &fd) != 1 ||
      getsockname(fd, (struct sockaddr *)&own, &own_size) != 0 ||
      getpeername(fd, (struct sockaddr *)&other, &other_size) != 0 || own.ss_family != other.ss_family)
    return 0;
  const struct sockaddr_in *own4 = (void *)&own, *other4 = (void *)&other;
  const struct sockaddr_in6 *own6 = (void *)&own, *other6 = (void *)&other;
  switch (own.ss_family) {
    case AF_INET: return own4->sin_addr.s_addr == other4->sin_addr.s_addr;
    case AF_INET6: return memcmp(&own6->sin6_addr, &other6->sin6_addr, sizeof own6->sin6_addr) == 0;
    default: return 0;
  }
}

/// Limits how many bytes the system takes in before they are read.
static inline int usher_ldap_limit_received(Sockbuf *sb, int bytes) {
  ber_socket_t fd = -1;
  if (ber_sockbuf_ctrl(sb, LBER_SB_OPT_GET_FD, &fd) != 1) return -1;
  return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

/// LDAP_OPT_ON, a macro with a cast.
static inline const void *usher_ldap_on(void) { return LDAP_OPT_ON; }
