#include "dns/inspection.hpp"

namespace culvert::dns {
namespace {

using Section = Record::Section;
using What = Verdict::What;

class Inspector {
 public:
  Inspector(Filter& filter, Client& client, const Name& name, std::uint16_t type,
            const Verdict& asked, base::WallTime wall, const ListMask& silent)
      : filter_(filter),
        client_(client),
        name_(name),
        type_(type),
        asked_(asked),
        wall_(wall),
        silent_(silent) {}

  Verdict run(base::Bytes clean) {
    MessageReader reader(clean);
    Record record;
    while (reader.next(record) && record.section == Section::answer)
      if (bad(record)) return found_;
    return over_tcp_;
  }

 private:
  bool bad(const Record& record) {
    switch (record.type) {
      case type::a:
      case type::aaaa:
        return bad_address(record.rdata);
      case type::cname: {
        Name target;
        return Name::read(record.rdata, target) != 0 && bad_target(target);
      }
      case type::svcb:
      case type::https:
        return bad_binding(record.rdata);
      default:
        return false;
    }
  }

  bool bad_target(const Name& target) {
    learn_silent();
    found_ = filter_.of_target(client_, target, type_, wall_, silent_);
    return is_bad();
  }

  bool bad_address(base::Bytes octets) {
    base::IpAddress address;
    if (octets.size() == 4)
      address = base::IpAddress::v4(octets.first<4>());
    else if (octets.size() == 16)
      address = base::IpAddress::v6(octets.first<16>());
    else
      return false;
    found_ = filter_.of_address(client_, name_, address, wall_, silent_);
    if (found_.reason == Reason::answer_address && learn_silent())
      found_ = filter_.of_address(client_, name_, address, wall_, silent_);
    if (found_.reason == Reason::rebinding) return asked_.what != What::forward;
    return is_bad();
  }

  // A rewrite to addresses answers for the name asked as well; one to a name would need another
  // question.
  bool is_bad() {
    if (found_.what == What::rewrite && !found_.rule->cname.is_root()) {
      found_.what = What::block;
      found_.action = RuleAction::block;
    }
    if (found_.is_block() && found_.action == RuleAction::tcp_only) {
      over_tcp_ = found_;  // something worse may follow
      return false;
    }
    return found_.what != What::pass;
  }

  // Lists that make an exception for the name say nothing of what is behind it. True where that was
  // not known yet.
  bool learn_silent() {
    if (silent_known_) return false;
    silent_ |= filter_.exceptions(client_, name_, type_, wall_);
    return silent_known_ = true;
  }

  bool bad_binding(base::Bytes rdata) {
    const std::optional<ServiceBinding> binding = read_service_binding(rdata);
    if (!binding) return false;
    if (!binding->target.is_root() && bad_target(binding->target)) return true;
    Option parameter;
    for (base::Bytes rest = binding->parameters; next_parameter(rest, parameter);) {
      const bool v4 = parameter.code == svc_param::ipv4hint;
      if (!v4 && parameter.code != svc_param::ipv6hint) continue;
      const std::size_t size = v4 ? 4 : 16;
      for (std::size_t at = 0; at + size <= parameter.data.size(); at += size)
        if (bad_address(parameter.data.subspan(at, size))) return true;
    }
    return false;
  }

  Filter& filter_;
  Client& client_;
  const Name& name_;
  const std::uint16_t type_;
  const Verdict& asked_;
  const base::WallTime wall_;
  ListMask silent_;
  bool silent_known_ = false;
  Verdict found_, over_tcp_;
};

}  // namespace

Verdict inspect(Filter& filter, Client& client, const Name& name, std::uint16_t type,
                const Verdict& asked, base::Bytes clean, base::WallTime wall,
                const ListMask& silent) {
  if (asked.reason == Reason::peer_allow) return {};
  return Inspector(filter, client, name, type, asked, wall, silent).run(clean);
}

void append_records(AnswerWriter& writer, base::Bytes clean) noexcept {
  MessageReader reader(clean);
  Record record;
  while (reader.next(record))
    if (record.type != type::opt)
      writer.add(record.section, record.owner, record.type, record.ttl, record.rdata);
}

}  // namespace culvert::dns
