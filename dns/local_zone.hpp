// LocalZone: what is answered without asking anybody: [[dns.record]], the names of peers
// (NAME.zone and their PTR), and names that must not leave (RFC 6303, 6761, 6762, 7686, 7793, 8375,
// 8880). The resolver asks holds() of every question.
//
// What is nearest to the name decides: a record of the name itself, else the longest domain above
// it that is a "*." record, a [[dns.route]] or the peers' zone. Special names are ours where no
// route is above them or the same. "*.d" stands for every name below d that has no record of its
// own. The addresses of records and peers get a PTR, unless a record says otherwise.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dns/message_writer.hpp"
#include "dns/settings.hpp"

namespace culvert::dns {

class LocalZone {
 public:
  // `own`: the tunnel addresses of the server, known as "gateway.ZONE" and by their PTR.
  LocalZone(const Settings& settings, const std::vector<base::IpAddress>& own);
  ~LocalZone();

  void set_settings(const Settings& settings);  // peers stay
  // A peer's name is made a label: lower case, what is no letter, digit or '-' becomes '-', none at
  // its ends. Of names that become the same label, the first in the order of octets has it, the
  // others get "-2", "-3"...: the same whatever the order they came in.
  void set_peer(const std::string& name, const std::vector<base::IpAddress>& addresses);
  void remove_peer(const std::string& name);

  // Is the name ours to answer, whatever the type? Costs a look-up or two; only the first question
  // behind changes of peers does more: it settles their labels.
  enum class Kind : std::uint8_t { no, record, special };
  Kind holds(const Name& name) const noexcept;
  // Follows a CNAME of ours; if it leads outside, `outside` says where to go on, else it is the
  // root. Writes records and, for a negative answer, the rcode and the SOA.
  void answer(AnswerWriter& writer, const Name& name, std::uint16_t type, Name& outside) const;

  // Reads the value of a record; what was found and expected if it is wrong. For the configuration.
  static std::string check(const LocalRecord& record);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::dns
