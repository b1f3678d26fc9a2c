// The answer to a question that is not asked upstream because of a verdict: blocked, rewritten, or
// over a limit. Called by the resolver between AnswerWriter's construction and finish(). No heap.
#pragma once

#include <optional>

#include "dns/message_writer.hpp"
#include "dns/rule_table.hpp"
#include "dns/settings.hpp"
#include "dns/verdict.hpp"

namespace culvert::dns {

// What is left to do for the resolver.
enum class BlockAnswer : std::uint8_t {
  written,   // finish() and send
  drop,      // nothing is sent
  truncate,  // RPZ tcp-only: finish(), set TC and send. Over TCP it is no block: see below
  follow,    // a CNAME was written: ask for rewrite_target() with the type asked, append_records()
             // of its clean answer and its rcode, then finish(). EDE is set already
};

// `verdict`: block or rewrite; `policy`: of the client; `table`: the one the verdict is of, for the
// name of the list in EDE, may be null. Nothing of another client is ever written.
//
// EDE (RFC 8914): 15 Blocked for lists and address lists, 17 Filtered for what the client's own
// policy says (safe search too), 4 Forged Answer for rewrites of lists, 18 Prohibited for limits.
BlockAnswer write_block_answer(AnswerWriter& writer, const Query& query, const Verdict& verdict,
                               const Policy& policy, const RuleTable* table) noexcept;

// The name that a rewrite (of a rule or of safe search) leads to; none if it gives addresses.
std::optional<Name> rewrite_target(const Verdict& verdict, const Name& asked) noexcept;

// RPZ tcp-only says that the question is answered as usual if it comes over TCP.
inline bool passes_over_tcp(const Verdict& verdict) noexcept {
  return verdict.is_block() && verdict.action == RuleAction::tcp_only;
}

}  // namespace culvert::dns
