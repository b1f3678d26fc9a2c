#include "dns/lead.hpp"

#include <array>

#include "dns/block_answer.hpp"

namespace culvert::dns {
namespace {

using End = Lead::End;
using What = Verdict::What;

class Leader {
 public:
  Leader(Filter& filter, const LocalZone& zone, Client& client, const LeadAsk& ask,
         AnswerWriter& writer)
      : filter_(filter), zone_(zone), client_(client), ask_(ask), writer_(writer) {
    out_.name = ask.query.question.name;
  }

  Lead run() {
    for (unsigned step = 0; step < max_leads && !was_at(out_.name); ++step) {
      been_[been_count_++] = out_.name;
      const LocalZone::Kind kind = zone_.holds(out_.name);
      const bool goes_on = kind == LocalZone::Kind::no ? by_rule(step != 0) : by_record(kind);
      if (!goes_on) return out_;
    }
    writer_.set_rcode(rcode::servfail);  // they lead in a circle
    out_.end = End::written;
    return out_;
  }

 private:
  std::uint16_t type() const noexcept { return ask_.query.question.type; }

  bool was_at(const Name& name) const noexcept {
    for (unsigned i = 0; i < been_count_; ++i)
      if (been_[i] == name) return true;
    return false;
  }

  // Does it lead on, to `out_.name`?
  bool by_record(LocalZone::Kind kind) {
    if (out_.why.reason == Reason::none) {
      out_.why.what = What::local;
      out_.why.reason =
          kind == LocalZone::Kind::record ? Reason::local_record : Reason::special_name;
    }
    Name outside;
    zone_.answer(writer_, out_.name, type(), outside);
    out_.end = End::written;
    if (outside.is_root()) return false;
    // What the record says stands, whatever rules there are about its name; but not all say no.
    const Verdict own = filter_.of_question(client_, out_.name, type(), ask_.wall);
    allowed_ |= own.reason == Reason::peer_allow;
    out_.silent |= filter_.exceptions(client_, out_.name, type(), ask_.wall);
    out_.name = outside;
    return true;
  }

  bool by_rule(bool is_led) {
    Verdict& verdict = out_.verdict;
    verdict = filter_.of_question(client_, out_.name, type(), ask_.wall, out_.silent);
    // Types that the client is not to have are none of its `allow`.
    const bool of_type = verdict.reason == Reason::no_ipv6 || verdict.reason == Reason::ech;
    if (allowed_ && !of_type) {
      verdict = {};
      verdict.reason = Reason::peer_allow;
      verdict.action = RuleAction::allow;
    }
    if (verdict.what == What::rewrite) return rewrite();
    const bool refused = verdict.is_block() && !(ask_.tcp && passes_over_tcp(verdict));
    verdict.by_chain = is_led && refused;
    out_.end = refused ? End::refuse : End::ask;
    return false;
  }

  bool rewrite() {
    const Verdict& verdict = out_.verdict;
    if (!out_.rewritten) out_.why = verdict;
    out_.rewritten = true;
    Query here = ask_.query;
    here.question.name = out_.name;
    const BlockAnswer left =
        write_block_answer(writer_, here, verdict, *client_.config.policy, filter_.table());
    out_.end = End::written;
    if (left != BlockAnswer::follow || type() == type::any) return false;
    const std::optional<Name> target = rewrite_target(verdict, out_.name);
    if (!target) return false;
    // To itself: no list is asked about it again, but the policy is.
    if (*target == out_.name) --been_count_;
    out_.name = *target;
    out_.silent.set();
    return true;
  }

  Filter& filter_;
  const LocalZone& zone_;
  Client& client_;
  const LeadAsk& ask_;
  AnswerWriter& writer_;
  std::array<Name, max_leads> been_;
  unsigned been_count_ = 0;
  bool allowed_ = false;
  Lead out_;
};

}  // namespace

Lead lead(Filter& filter, const LocalZone& zone, Client& client, const LeadAsk& ask,
          AnswerWriter& writer) {
  return Leader(filter, zone, client, ask, writer).run();
}

}  // namespace culvert::dns
