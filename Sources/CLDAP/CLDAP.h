#pragma once
// What Swift cannot import from libldap: macros with casts, and the address of an I/O layer.
#include <errno.h>
#include <lber.h>
#include <ldap.h>

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

/// Refuses messages of more bytes as soon as the server announces them: libldap would allocate whatever is announced.
static inline void usher_ldap_limit_messages(LDAP *ld, ber_len_t bytes) {
  Sockbuf *sb = NULL;
  if (ldap_get_option(ld, LDAP_OPT_SOCKBUF, &sb) == LDAP_OPT_SUCCESS && sb != NULL)
    ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &bytes);
}

/// ldap_result for the next message of any operation.
/// refuses_length: set to 1 where the announced length is over the limit, or none; else to 0.
static inline int usher_ldap_next(
    LDAP *ld, struct timeval *wait, LDAPMessage **message, int *refuses_length) {
  errno = 0;
  int type = ldap_result(ld, LDAP_RES_ANY, LDAP_MSG_ONE, wait, message);
  *refuses_length = type < 0 && errno == ERANGE;
  return type;
}

/// LDAP_OPT_ON, a macro with a cast.
static inline const void *usher_ldap_on(void) { return LDAP_OPT_ON; }
