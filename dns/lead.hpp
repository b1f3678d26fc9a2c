// lead(): where a name is led before anybody is asked: over [[dns.record]] aliases, rewrites of
// lists and safe search. Called by the resolver for a name that has one of these, and by explain.
//
// From there on it is as if the client had asked for the name it comes to, but for two things: what
// lets the name asked pass (`allow` of the policy, an exception of a list) lets pass what it leads
// to, and what a trusted list rewrites is its last word: no list is asked about what is behind it,
// as if it had made an exception. The policy, its schedules and rebinding protection still are.
#pragma once

#include "dns/filter.hpp"
#include "dns/local_zone.hpp"
#include "dns/message_writer.hpp"

namespace culvert::dns {

inline constexpr unsigned max_leads = 8;  // aliases and rewrites in a row

struct Lead {
  enum class End : std::uint8_t {
    ask,      // for `name`: its answer belongs behind what was written
    written,  // nothing is missing
    refuse,   // what was written means nothing; write_block_answer() of `verdict`
  };
  End end = End::written;
  Name name;
  Verdict verdict;         // of `name`, as Filter::of_question gives it; refuse: why
  ListMask silent;         // lists that are not asked about what is behind it
  Verdict why;             // of the name asked: the first rewrite, else the record
  bool rewritten = false;  // a rewrite is among them, and has set its EDE
};

struct LeadAsk {
  const Query& query;
  bool tcp = false;
  base::WallTime wall;
};

// Writes the CNAMEs, and the records if they are ours, into `writer`, which was made for the query.
// No heap, but where Filter needs it.
Lead lead(Filter& filter, const LocalZone& zone, Client& client, const LeadAsk& ask,
          AnswerWriter& writer);

}  // namespace culvert::dns
