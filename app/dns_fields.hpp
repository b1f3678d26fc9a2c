// Every field of the settings of DNS, each with its key: for what writes or reads all of them. A
// visitor is called with the key and the field.
#pragma once

#include <type_traits>

#include "dns/settings.hpp"

namespace culvert::app {

template <class T, class Of>
concept same_but_const = std::is_same_v<std::remove_const_t<T>, Of>;

template <same_but_const<dns::Schedule> T, class Visit>
void each_field(T& s, Visit visit) {
  visit("hours", s.hours), visit("lists", s.lists), visit("block", s.block);
  visit("everything", s.everything);
}

template <same_but_const<dns::Policy> T, class Visit>
void each_field(T& p, Visit visit) {
  visit("lists", p.lists), visit("allow", p.allow), visit("block", p.block), visit("tags", p.tags);
  visit("answer", p.answer), visit("answer4", p.answer4), visit("answer6", p.answer6);
  visit("answer_ttl", p.answer_ttl), visit("log", p.log), visit("upstream", p.upstream);
  visit("safe_search", p.safe_search), visit("refuse_bypass", p.refuse_bypass);
  visit("only_handed_out", p.only_handed_out), visit("ech", p.ech);
  visit("rebinding_protection", p.rebinding_protection), visit("filter_aaaa", p.filter_aaaa);
  visit("schedules", p.schedules);
}

template <same_but_const<dns::ListSettings> T, class Visit>
void each_field(T& l, Visit visit) {
  visit("name", l.name), visit("path", l.path), visit("url", l.url), visit("format", l.format);
  visit("allows", l.allows), visit("trusted", l.trusted), visit("subdomains", l.subdomains);
  visit("force", l.force), visit("update", l.update), visit("max_size", l.max_size);
  visit("ca_file", l.ca_file);
}

template <same_but_const<dns::Route> T, class Visit>
void each_field(T& r, Visit visit) {
  visit("domain", r.domain), visit("upstream", r.upstream);
}

template <same_but_const<dns::LocalRecord> T, class Visit>
void each_field(T& r, Visit visit) {
  visit("name", r.name), visit("type", r.type), visit("value", r.value), visit("ttl", r.ttl);
}

template <same_but_const<dns::CacheSettings> T, class Visit>
void each_field(T& c, Visit visit) {
  visit("bytes", c.bytes), visit("min_ttl", c.min_ttl), visit("max_ttl", c.max_ttl);
  visit("max_negative_ttl", c.max_negative_ttl), visit("max_stale", c.max_stale);
  visit("stale_after", c.stale_after), visit("prefetch", c.prefetch);
}

template <same_but_const<dns::QueryLogSettings> T, class Visit>
void each_field(T& l, Visit visit) {
  visit("path", l.path), visit("rotate_at", l.rotate_at), visit("keep", l.keep);
}

template <same_but_const<dns::LimitSettings> T, class Visit>
void each_field(T& l, Visit visit) {
  visit("forwarded_per_second", l.forwarded_per_second);
  visit("forwarded_burst", l.forwarded_burst), visit("in_flight", l.in_flight);
  visit("in_flight_total", l.in_flight_total), visit("tcp_connections", l.tcp_connections);
}

template <same_but_const<dns::Settings> T, class Visit>
void each_field(T& s, Visit visit) {
  visit("intercept", s.intercept), visit("pass", s.pass), visit("upstream", s.upstream);
  visit("fallback", s.fallback), visit("bootstrap", s.bootstrap), visit("system", s.system);
  visit("encrypted_only", s.encrypted_only), visit("routes", s.routes);
  visit("records", s.records), visit("zone", s.zone), visit("canary_firefox", s.canary_firefox);
  visit("canary_apple", s.canary_apple), visit("canary_ddr", s.canary_ddr);
  visit("cache", s.cache), visit("limits", s.limits), visit("log", s.log);
  visit("lists", s.lists), visit("policy", s.policy);
}

}  // namespace culvert::app
