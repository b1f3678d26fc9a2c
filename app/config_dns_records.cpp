// [[dns.record]] seen together: a name that is a CNAME is nothing else, and CNAMEs come to an end.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "app/config_policy.hpp"
#include "dns/name.hpp"
#include "dns/types.hpp"

namespace culvert::app {
namespace {

constexpr unsigned longest_chain = 16;  // LocalZone follows as many

// The records of a name, or of "*." and a name, as it is written there.
struct Entry {
  std::size_t count = 0;
  const std::string* cname = nullptr;  // what it leads to
};

class RecordChecker {
 public:
  RecordChecker(const Config& config, Findings& findings) : config_(config), findings_(findings) {}

  void run() {
    const auto& records = config_.dns.records;
    for (const dns::LocalRecord& record : records) {
      Entry& entry = entries_[key_of(record.name)];
      ++entry.count;
      if (is_cname(record)) entry.cname = &record.value;
    }
    for (std::size_t i = 0; i < records.size(); ++i)
      if (is_cname(records[i]))
        check(records[i], place_of(config_, fmt::format("dns.record.{}", i)));
  }

 private:
  static bool is_cname(const dns::LocalRecord& record) {
    return dns::parse_type(record.type) == dns::type::cname;
  }

  static std::string key_of(std::string_view written) {
    const bool below = written.starts_with("*.");
    const auto name = dns::Name::parse(written.substr(below ? 2 : 0));
    return name ? (below ? "*." : "") + name->to_string() : std::string(written);
  }

  // Its own records, or those of the nearest "*." above it.
  const Entry* find(const dns::Name& name) const {
    if (const auto own = entries_.find(name.to_string()); own != entries_.end())
      return &own->second;
    for (dns::Name above = name.parent(); !above.is_root(); above = above.parent())
      if (const auto wild = entries_.find("*." + above.to_string()); wild != entries_.end())
        return &wild->second;
    return nullptr;
  }

  bool ends(const std::string* target) const {
    for (unsigned steps = 1; steps < longest_chain; ++steps) {
      const auto name = dns::Name::parse(*target);
      const Entry* const next = name ? find(*name) : nullptr;
      if (!next || !next->cname) return true;
      target = next->cname;
    }
    return false;
  }

  void check(const dns::LocalRecord& record, const std::string& place) {
    if (entries_[key_of(record.name)].count > 1)
      findings_.error(place, fmt::format("dns.record: {} is a CNAME and has other records, "
                                         "expected a CNAME alone (RFC 1034 section 3.6.2)",
                                         record.name));
    else if (!ends(&record.value))
      findings_.error(place, fmt::format("dns.record: the CNAME of {} leads in a circle or through "
                                         "more than {} others",
                                         record.name, longest_chain - 1));
  }

  const Config& config_;
  Findings& findings_;
  std::map<std::string, Entry> entries_;
};

}  // namespace

void check_dns_records(const Config& config, Findings& findings) {
  RecordChecker(config, findings).run();
}

}  // namespace culvert::app
