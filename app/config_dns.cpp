// [dns]: upstreams, local records, the cache and the lists. The policy of groups and peers is in
// config_dns_policy.cpp.
#include <fmt/format.h>

#include <algorithm>

#include "app/client_file.hpp"
#include "app/config_files.hpp"
#include "app/config_policy.hpp"
#include "dns/local_zone.hpp"
#include "dns/name_text.hpp"
#include "dns/trust.hpp"
#include "dns/upstreams.hpp"

namespace culvert::app {
namespace {

constexpr std::int64_t day = 86400;

using Texts = std::vector<std::string>;

void read_resolvers(TableReader& table, std::string_view key, Texts& field) {
  for (const Node& node : table.strings(key)) {
    const auto address = base::IpAddress::parse(node.text);
    const auto endpoint = base::Endpoint::parse(node.text);
    if (!address && !endpoint)
      table.wrong(key, node,
                  "the address of a resolver, such as \"9.9.9.9\" or \"[2620:fe::fe]:53\"");
    else
      field.push_back(node.text);
  }
}

void read_pass(TableReader& dns, std::vector<base::Prefix>& pass, Findings& findings) {
  for (const Node& node : dns.strings("pass")) {
    base::Prefix prefix;
    if (read_prefix(dns, "pass", node, findings, prefix)) pass.push_back(prefix);
  }
}

void read_zone_name(TableReader& dns, std::string& zone) {
  if (!dns.string("zone", zone) || zone.empty()) return;
  if (!dns::Name::parse(zone) || !dns::looks_like_domain(zone))
    dns.wrong("zone", *dns.take("zone"), "a domain such as \"culvert.internal\", or \"\" for none");
}

void read_cache(Node* node, dns::CacheSettings& cache, Findings& findings) {
  TableReader table(node, "dns.cache", findings);
  table.size("size", cache.bytes, 0, std::uint64_t{16} << 30);
  table.seconds("min_ttl", cache.min_ttl, 0, 3600);
  table.seconds("max_ttl", cache.max_ttl, 1, 7 * day);
  table.seconds("max_negative_ttl", cache.max_negative_ttl, 0, day);
  table.seconds("max_stale", cache.max_stale, 0, 7 * day);
  table.number("stale_after_ms", cache.stale_after, 0, 5000);
  table.boolean("prefetch", cache.prefetch);
  if (cache.min_ttl > cache.max_ttl)
    findings.error(table.place(),
                   fmt::format("dns.cache.min_ttl = {} s is more than max_ttl = {} s",
                               cache.min_ttl.count(), cache.max_ttl.count()));
  table.finish();
}

void read_limits(Node* node, dns::LimitSettings& limits, Findings& findings) {
  constexpr std::int64_t million = 1'000'000;
  TableReader table(node, "dns.limits", findings);
  table.number("forwarded_per_second", limits.forwarded_per_second, 0, million);
  table.number("forwarded_burst", limits.forwarded_burst, 1, million);
  table.number("in_flight", limits.in_flight, 1, 65535);
  table.number("in_flight_total", limits.in_flight_total, 1, 65535);
  table.number("tcp_connections", limits.tcp_connections, 1, 1024);
  table.finish();
}

void read_query_log(Node* node, Config& config, Findings& findings) {
  dns::QueryLogSettings& log = config.dns.log;
  TableReader table(node, "dns.query_log", findings);
  if (table.string("path", log.path)) log.path = path_of(config, log.path);
  read_log_sizes(table, log.rotate_at, log.keep, findings);
  table.finish();
}

void read_route(Node& node, Config& config, Findings& findings) {
  TableReader table(&node, "dns.route", findings);
  dns::Route route;
  if (!table.string("domain", route.domain)) {
    if (!table.has("domain"))
      findings.error(node.place, "dns.route.domain is missing, expected a domain");
  } else if (route.domain != "." &&
             !(dns::looks_like_domain(route.domain) && dns::Name::parse(route.domain))) {
    table.wrong("domain", *table.take("domain"),
                "a domain, such as \"corp.example\", or \".\" for all others");
  }
  read_upstreams(table, "upstream", route.upstream);
  if (!table.has("upstream"))
    findings.error(node.place, "dns.route.upstream is missing, expected resolvers");
  else if (is_empty_list(*table.take("upstream")))
    table.wrong("upstream", *table.take("upstream"), "one resolver at least");
  table.finish();
  config.places.emplace(fmt::format("dns.route.{}", config.dns.routes.size()), node.place);
  config.dns.routes.push_back(std::move(route));
}

void read_record(Node& node, Config& config, Findings& findings) {
  TableReader table(&node, "dns.record", findings);
  dns::LocalRecord record;
  bool complete = true;
  for (const auto& [key, field] : {std::pair("name", &record.name), std::pair("type", &record.type),
                                   std::pair("value", &record.value)})
    if (!table.string(key, *field)) {
      if (!table.has(key)) findings.error(node.place, fmt::format("dns.record.{} is missing", key));
      complete = false;
    }
  table.seconds("ttl", record.ttl, 0, 7 * day);
  table.finish();
  if (!complete) return;
  if (const std::string wrong = dns::LocalZone::check(record); !wrong.empty())
    findings.error(node.place, "dns.record: " + wrong);
  config.places.emplace(fmt::format("dns.record.{}", config.dns.records.size()), node.place);
  config.dns.records.push_back(std::move(record));
}

using Format = dns::ListSettings::Format;
constexpr std::pair<std::string_view, Format> formats[] = {
    {"auto", Format::automatic},  {"hosts", Format::hosts},        {"domains", Format::domains},
    {"adblock", Format::adblock}, {"dnsmasq", Format::dnsmasq},    {"rpz", Format::rpz},
    {"regex", Format::regex},     {"addresses", Format::addresses}};

void read_format(TableReader& table, Format& format) {
  std::vector<std::string> names;
  for (const auto& each : formats) names.emplace_back(each.first);
  std::string chosen = "auto";
  table.choice("format", chosen, names);
  for (const auto& [name, value] : formats)
    if (name == chosen) format = value;
}

// A list of this machine is its operator's; one from elsewhere may block, and no more.
void read_source(TableReader& table, Node& node, const Config& config, dns::ListSettings& list,
                 Findings& findings) {
  const bool path = table.string("path", list.path), url = table.string("url", list.url);
  if (!table.has("path") && !table.has("url"))
    findings.error(node.place, "dns.list has no source, expected either path or url");
  else if (path && url)
    findings.error(node.place, "dns.list has path and url, expected one of them");
  if (url && !is_url(list.url))
    table.wrong("url", *table.take("url"), "http:// or https:// with a host and a path");
  if (path && list.path.empty()) table.wrong("path", *table.take("path"), "the name of a file");
  list.path = path_of(config, list.path);
  list.trusted = path;
}

// ca_file: it has to hold certificates.
void read_authorities(TableReader& table, std::string& path, const Config& config,
                      Findings& findings) {
  if (!table.string("ca_file", path) || path.empty()) return;
  path = path_of(config, path);
  const std::string& place = table.take("ca_file")->place;
  const auto file = read_file(path, largest_ca_file);
  if (!file)
    findings.error(place, table.full("ca_file") + ": " + file.error());
  else if (dns::TrustStore::certificates_in(file->text) == 0)
    findings.error(
        place, fmt::format("{}: {}: expected certificates in PEM", table.full("ca_file"), path));
}

void read_list(Node& node, Config& config, Findings& findings) {
  TableReader table(&node, "dns.list", findings);
  dns::ListSettings list;
  if (!table.string("name", list.name) || list.name.empty())
    findings.error(node.place, "dns.list.name is missing, expected a name for the list");
  else if (!is_client_name(list.name))
    table.wrong("name", *table.take("name"), "1 to 64 letters, digits, '.', '_' or '-'");
  read_source(table, node, config, list, findings);
  read_format(table, list.format);
  std::string kind = "block", match = "exact";
  table.choice("kind", kind, {"block", "allow"});
  table.choice("match", match, {"exact", "suffix"});
  list.allows = kind == "allow";
  list.subdomains = match == "suffix";
  table.boolean("trusted", list.trusted);
  table.boolean("force", list.force);
  table.seconds("update", list.update, 60, 365 * day);
  table.size("max_size", list.max_size, 1024, std::uint64_t{4} << 30);
  read_authorities(table, list.ca_file, config, findings);
  table.finish();
  config.places.emplace("dns.list." + list.name, node.place);
  config.dns.lists.push_back(std::move(list));
}

}  // namespace

void read_upstreams(TableReader& table, const std::string& key, Texts& field) {
  if (table.has(key)) field.clear();
  for (const Node& node : table.strings(key)) {
    const auto read = dns::UpstreamAddress::parse(node.text);
    if (read) {
      field.push_back(node.text);
      continue;
    }
    const std::string& why = read.error();  // it begins with what was found
    const std::size_t found = why.find("': ");
    table.refused(key, node, found == why.npos ? why : why.substr(found + 3));
  }
}

void read_dns(TableReader dns, Config& config, Findings& findings) {
  dns::Settings& settings = config.dns;
  dns.boolean("intercept", settings.intercept);
  read_pass(dns, settings.pass, findings);
  read_upstreams(dns, "upstream", settings.upstream);
  read_upstreams(dns, "fallback", settings.fallback);
  read_resolvers(dns, "bootstrap", settings.bootstrap);
  dns.boolean("encrypted_only", settings.encrypted_only);
  read_authorities(dns, settings.ca_file, config, findings);
  read_zone_name(dns, settings.zone);
  dns.boolean("canary_firefox", settings.canary_firefox);
  dns.boolean("canary_apple", settings.canary_apple);
  dns.boolean("canary_ddr", settings.canary_ddr);
  read_cache(dns.subtable("cache"), settings.cache, findings);
  read_limits(dns.subtable("limits"), settings.limits, findings);
  read_query_log(dns.subtable("query_log"), config, findings);
  for (Node* node : dns.tables("route")) read_route(*node, config, findings);
  for (Node* node : dns.tables("record")) read_record(*node, config, findings);
  for (Node* node : dns.tables("list")) read_list(*node, config, findings);
  auto policy = std::make_shared<const dns::Policy>();
  read_dns_policy(dns, "", policy, findings);
  settings.policy = *policy;
  config.dns_policy = std::move(policy);
  dns.finish();
}

}  // namespace culvert::app
