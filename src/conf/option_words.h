/*
 * The words that values of the configuration may be: a list for each kind of
 * them, which rows of the option table name (conf/option.c).
 */
#ifndef CONF_OPTION_WORDS_H
#define CONF_OPTION_WORDS_H

#include "conf/option.h"

extern const struct option_word option_words_log_levels[];
extern const struct option_word option_words_log_formats[];
extern const struct option_word option_words_traces[];
extern const struct option_word option_words_syslog_facilities[];
extern const struct option_word option_words_auth_types[];
extern const struct option_word option_words_backend_types[];
extern const struct option_word option_words_relay_tls[];
extern const struct option_word option_words_bare_newlines[];
extern const struct option_word option_words_bare_newlines_of_clients[];
extern const struct option_word option_words_route_authenticated[];
extern const struct option_word option_words_quota_replies[];
extern const struct option_word option_words_sender_rights[];
extern const struct option_word option_words_rate_pers[];
extern const struct option_word option_words_client_verifications[];
extern const struct option_word option_words_unknown_parameters[];

#endif
