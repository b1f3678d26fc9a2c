// Which server a question goes to, and when to the next one.
//
// Of those that do not rest two are drawn and the faster is asked; the other when the faster is
// later than nearly always. A second after, the question is repeated. Fallbacks come in their
// order, when all of the set have failed, rest, or stay silent. One that rests is asked now and
// then, by a question that soon goes on to another; one that was silent, whenever there is nobody
// else.
#pragma once

#include "base/random.hpp"
#include "base/time.hpp"
#include "dns/upstream_server.hpp"

namespace culvert::dns {

struct OpenQuestion;

enum class Occasion : std::uint8_t {
  asked,   // the first
  failed,  // one has just failed, or answered poorly
  late,    // no answer by the time set
};

class Choice {
 public:
  explicit Choice(base::Random& random) noexcept : random_(random) {}

  // Null: nobody now. The server is marked as tried.
  Server* next(OpenQuestion& question, Occasion occasion, base::Time now) noexcept;
  // Whether a server is left that was not tried and does not rest.
  bool has_another(const OpenQuestion& question) const noexcept;
  // How long to wait for the exchange just begun.
  base::Duration patience(const OpenQuestion& question, Server& asked) const noexcept;

 private:
  Server* of_two(OpenQuestion& question, base::Time now) noexcept;
  Server* again(OpenQuestion& question) noexcept;
  Server* probe(OpenQuestion& question, base::Time now, base::Duration longest) noexcept;
  Server* silent(OpenQuestion& question) noexcept;
  Server* fallback(OpenQuestion& question, base::Time now, bool resting_too) noexcept;

  base::Random& random_;
};

}  // namespace culvert::dns
