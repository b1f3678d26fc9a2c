#include "dns/block_answer.hpp"

#include <algorithm>
#include <array>

#include "dns/record_text.hpp"
#include "dns/safe_search_table.hpp"

namespace culvert::dns {
namespace {

using Section = Record::Section;

struct Why {
  std::uint16_t code;
  std::string_view text;
};

// What a client is told of its own policy; lists are named besides.
Why why_of(Reason reason) noexcept {
  switch (reason) {
    case Reason::list:
      return {ede::blocked, "list"};
    case Reason::answer_address:
      return {ede::blocked, "answer address, list"};
    case Reason::rebinding:
      return {ede::blocked, "a private address for a public name"};
    case Reason::peer_block:
      return {ede::filtered, "the client's policy"};
    case Reason::schedule:
      return {ede::filtered, "the schedule of the client's policy"};
    case Reason::canary:
      return {ede::filtered, "clients are to use the DNS of this network"};
    case Reason::encrypted_resolver:
      return {ede::filtered, "another encrypted resolver"};
    case Reason::safe_search:
      return {ede::filtered, "safe search"};
    case Reason::ech:
      return {ede::filtered, "the client's policy on HTTPS records"};
    case Reason::no_ipv6:
      return {ede::filtered, "the client's policy on IPv6"};
    case Reason::rate:
      return {ede::prohibited, "too many questions"};
    case Reason::in_flight:
      return {ede::prohibited, "too many questions at once"};
    case Reason::none:
    case Reason::special_name:
    case Reason::local_record:
    case Reason::peer_allow:
      break;
  }
  return {ede::other, ""};
}

void set_error(AnswerWriter& writer, const Verdict& verdict, const RuleTable* table) noexcept {
  Why why = why_of(verdict.reason);
  const bool rewritten = verdict.what == Verdict::What::rewrite;
  const bool of_list = verdict.reason == Reason::list || verdict.reason == Reason::answer_address;
  if (rewritten && of_list) why.code = ede::forged_answer;
  if (!of_list || !table || verdict.list >= table->lists().size())
    return writer.set_error(why.code, why.text);
  const std::string& list = table->lists()[verdict.list];
  std::array<char, 200> text;
  char* end = text.data();
  for (const std::string_view part :
       {why.text, std::string_view(" \""), std::string_view(list).substr(0, 100),
        std::string_view("\""), std::string_view(verdict.by_chain ? ", by what it leads to" : "")})
    end = std::copy(part.begin(), part.end(), end);
  writer.set_error(why.code, std::string_view(text.data(), std::size_t(end - text.data())));
}

std::uint32_t ttl_of(const Policy& policy) noexcept {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(policy.answer_ttl.count(), 0, 604800));
}

// Nothing of that type, or no such name: the SOA says for how long (RFC 2308 section 5). Its zone
// is the domain that the rule is of.
void write_negative(AnswerWriter& writer, const Query& query, const Verdict& verdict,
                    const Policy& policy, std::uint16_t rcode) noexcept {
  Name zone = query.question.name;
  if (verdict.labels != 0 && !verdict.by_chain)
    for (unsigned labels = zone.labels(); labels > verdict.labels; --labels) zone = zone.parent();
  writer.set_rcode(rcode);
  writer.add_soa(zone, ttl_of(policy));
}

void write_address(AnswerWriter& writer, const Query& query, const Verdict& verdict,
                   const Policy& policy, const base::IpAddress& v4,
                   const base::IpAddress& v6) noexcept {
  const base::IpAddress none;
  const std::uint16_t type = query.question.type;
  const base::IpAddress& address = type == type::a ? v4 : type == type::aaaa ? v6 : none;
  if (address && query.question.class_ == class_::in)
    writer.add_address(query.question.name, address, ttl_of(policy));
  else
    write_negative(writer, query, verdict, policy, rcode::noerror);
}

AnswerMode mode_of(const Verdict& verdict, const Policy& policy) noexcept {
  switch (verdict.action) {
    case RuleAction::nxdomain:
      return AnswerMode::nxdomain;
    case RuleAction::nodata:
      return AnswerMode::nodata;
    case RuleAction::refused:
      return AnswerMode::refused;
    case RuleAction::drop:
      return AnswerMode::drop;
    default:
      break;
  }
  const bool limit = verdict.reason == Reason::rate || verdict.reason == Reason::in_flight;
  return limit ? AnswerMode::refused : policy.answer;
}

BlockAnswer write_block(AnswerWriter& writer, const Query& query, const Verdict& verdict,
                        const Policy& policy) noexcept {
  using base::IpAddress;
  if (verdict.action == RuleAction::servfail) {
    writer.set_rcode(rcode::servfail);
    return BlockAnswer::written;
  }
  switch (mode_of(verdict, policy)) {
    case AnswerMode::drop:
      return BlockAnswer::drop;
    case AnswerMode::refused:
      writer.set_rcode(rcode::refused);
      break;
    case AnswerMode::nxdomain:
      write_negative(writer, query, verdict, policy, rcode::nxdomain);
      break;
    case AnswerMode::nodata:
      write_negative(writer, query, verdict, policy, rcode::noerror);
      break;
    case AnswerMode::null_address:
      write_address(writer, query, verdict, policy, IpAddress::any(IpAddress::Family::v4),
                    IpAddress::any(IpAddress::Family::v6));
      break;
    case AnswerMode::address:
      write_address(writer, query, verdict, policy, policy.answer4, policy.answer6);
      break;
  }
  return BlockAnswer::written;
}

// A record of a rule, "MX 10 mail.example.com": the compiler took the rule, so it can be read.
bool write_record(AnswerWriter& writer, const Query& query, const Policy& policy,
                  std::string_view text) {
  const std::size_t blank = std::min(text.find(' '), text.size());
  const std::optional<std::uint16_t> type = parse_type(text.substr(0, blank));
  if (!type || (*type != query.question.type && query.question.type != type::any)) return false;
  const base::Result<Rdata> rdata =
      parse_rdata(*type, text.substr(std::min(blank + 1, text.size())));
  if (rdata) writer.add(Section::answer, query.question.name, *type, ttl_of(policy), *rdata);
  return bool(rdata);
}

// The addresses and records of a rewrite that the question asks for.
void write_rewrite(AnswerWriter& writer, const Query& query, const Verdict& verdict,
                   const Policy& policy) noexcept {
  const Name& name = query.question.name;
  const std::uint16_t type = query.question.type;
  bool any = false;
  for (const base::IpAddress& address : verdict.rule->addresses) {
    if (type != (address.is_v4() ? type::a : type::aaaa) && type != type::any) continue;
    writer.add_address(name, address, ttl_of(policy));
    any = true;
  }
  for (const std::string& record : verdict.rule->records)
    any |= write_record(writer, query, policy, record);
  if (!any) write_negative(writer, query, verdict, policy, rcode::noerror);
}

}  // namespace

std::optional<Name> rewrite_target(const Verdict& verdict, const Name& asked) noexcept {
  if (verdict.reason == Reason::safe_search) {
    const Name* const target = safe_search_target(asked);
    return target ? std::optional(*target) : std::nullopt;
  }
  if (verdict.what != Verdict::What::rewrite || !verdict.rule || verdict.rule->cname.is_root())
    return std::nullopt;
  return verdict.rule->cname;
}

BlockAnswer write_block_answer(AnswerWriter& writer, const Query& query, const Verdict& verdict,
                               const Policy& policy, const RuleTable* table) noexcept {
  if (verdict.is_block() && verdict.action == RuleAction::tcp_only) return BlockAnswer::truncate;
  set_error(writer, verdict, table);
  if (verdict.what != Verdict::What::rewrite) return write_block(writer, query, verdict, policy);
  const Name& name = query.question.name;
  const std::optional<Name> target = rewrite_target(verdict, name);
  if (!target) {
    if (verdict.rule) write_rewrite(writer, query, verdict, policy);
    return BlockAnswer::written;
  }
  if (*target == name) return BlockAnswer::follow;  // to itself: it is meant to stay as it is
  writer.add(Section::answer, name, type::cname, ttl_of(policy), target->wire());
  return query.question.type == type::cname ? BlockAnswer::written : BlockAnswer::follow;
}

}  // namespace culvert::dns
