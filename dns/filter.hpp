// Filter: decides. One of a worker, and one of the supervisor for explain: the same code. Pure but
// for what it is given; no I/O. A verdict on a cached table costs at most 150 ns with 1 M rules.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dns/client.hpp"
#include "dns/message.hpp"
#include "dns/rule_table.hpp"
#include "dns/verdict.hpp"

namespace culvert::dns {

class Filter {
 public:
  explicit Filter(const Settings& settings);
  ~Filter();

  // Both compile the policies of all clients anew at their next question.
  void set_settings(const Settings& settings);
  void set_table(std::shared_ptr<const RuleTable> table);  // null = none
  const RuleTable* table() const noexcept;
  // Grows with every change of either: a verdict holds as long as it stays.
  std::uint64_t generation() const noexcept;

  // Of the question. `wall`: for pauses. `silent`: lists that have no say in whether it passes. A
  // name that no complex rule or pattern touches costs no heap.
  Verdict of_question(Client& client, const Name& name, std::uint16_t type, base::WallTime wall,
                      const ListMask& silent = {});
  // In two steps, for who has something else to do while memory is read: `path` is what expect()
  // gave, since the last change.
  NamePath expect(const Client& client, const Name& name) const noexcept;
  Verdict of_question(Client& client, const NamePath& path, std::uint16_t type,
                      base::WallTime wall);
  // Of a name in an answer's CNAME chain or SVCB target. `silent`: exceptions() for the name asked,
  // since they hold for what it leads to as well.
  Verdict of_target(Client& client, const Name& name, std::uint16_t type, base::WallTime wall,
                    const ListMask& silent = {});
  // The lists that make an exception for a name, be it only from their own rules; all lists, if the
  // exception holds for others too.
  ListMask exceptions(Client& client, const Name& name, std::uint16_t type, base::WallTime wall);
  // Of an address in an answer to `name` (A, AAAA, hints): address lists but the silent ones, and
  // rebinding.
  Verdict of_address(Client& client, const Name& name, const base::IpAddress& address,
                     base::WallTime wall, const ListMask& silent = {});

  // For explain: every rule that says something about the name for this client, the deciding one
  // first, in words.
  struct Explanation {
    Verdict verdict;
    std::string why;  // one sentence
    struct Heard {
      std::string list, domain, says;  // "ads", "doubleclick.net", "block"
      bool decides = false;
    };
    std::vector<Heard> heard;
  };
  Explanation explain(Client& client, const Name& name, std::uint16_t type, base::WallTime wall);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Known resolvers that speak DNS over TLS, HTTPS or QUIC: flows to them are refused where a policy
// filters, so that the client falls back to port 53.
bool is_known_resolver(const base::IpAddress& address) noexcept;
bool is_known_resolver(const Name& name) noexcept;

}  // namespace culvert::dns
