// Figures of one server: how fast it answers, and whether it rests because it fails. What the
// choice between servers goes by.
#pragma once

#include <array>
#include <cstdint>

#include "base/time.hpp"
#include "dns/counters.hpp"

namespace culvert::dns {

class Figures {
 public:
  explicit Figures(UpstreamCounters* counters) noexcept : counters_(counters) {}
  void set_counters(UpstreamCounters* counters) noexcept { counters_ = counters; }
  UpstreamCounters& counters() noexcept { return *counters_; }

  void asked() noexcept { counters_->asked.add(); }
  void answered(base::Time now) noexcept;  // it works
  void try_anew() noexcept;                // why it failed may be gone: it rests no more
  void took(base::Duration duration, base::Time now) noexcept;
  // Another answered while this one was silent for so long.
  void slower_than(base::Duration duration, base::Time now) noexcept;
  void failed(base::Time now) noexcept;  // for certain: refused, reset, TLS
  // Of one that was sent then; one of these may be a lost datagram. If anything was answered since,
  // the name is to blame: who may ask for it must not put the server to rest for the others.
  void timed_out(base::Time sent, base::Time now) noexcept;
  // One answer is no use, or one question could not leave. The first may be by the will of who
  // holds the name asked for, so it does not put the server to rest.
  void misbehaved() noexcept { counters_->failures.add(); }
  void bogus() noexcept { counters_->bogus.add(); }
  void set_plain_case(bool plain) noexcept { counters_->plain_case.set(plain ? 1 : 0); }

  // It has failed, and has not answered since.
  bool resting() const noexcept { return resting_; }
  // It rests because it is silent. Names that it has no answer to do that too, so it is asked where
  // there is nobody else.
  bool silent() const noexcept { return resting_ && by_silence_; }
  // Whether a question may go to it all the same, to see whether it is back: seldom, and less and
  // less often (RFC 9520 section 3.2), up to `longest`.
  bool may_probe(base::Time now, base::Duration longest) noexcept;

  // The smaller the better; a measurement that is old counts less, so that a server is tried again.
  double score(base::Time now) const noexcept;
  // The 95th percentile: who has not answered by then may have lost the question.
  base::Duration hedge_after() const noexcept;

 private:
  static constexpr std::size_t buckets = 32;
  void rest(base::Time now, bool by_silence) noexcept;
  void set_resting(bool resting) noexcept;

  UpstreamCounters* counters_;
  double ewma_us_ = 0;
  base::Time measured_{};
  std::array<std::uint16_t, buckets> counts_{};  // of latency; bucket i ends at 2^(i/2) * 0.5 ms
  unsigned samples_ = 0;
  unsigned silent_ = 0;  // time-outs in a row
  bool resting_ = false, by_silence_ = false;
  base::Time answered_at_{};
  base::Time probed_{};
  base::Duration probe_after_{};
};

}  // namespace culvert::dns
