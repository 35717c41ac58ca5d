#pragma once
// What Swift cannot import from libldap: macros with casts, and the address of an I/O layer.
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

/// LDAP_OPT_ON, a macro with a cast.
static inline const void *usher_ldap_on(void) { return LDAP_OPT_ON; }
