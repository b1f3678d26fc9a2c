#include "dns/upstream_figures.hpp"

#include <algorithm>
#include <cmath>

namespace culvert::dns {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration first_rest = 1s, longest_rest = 60s;  // within RFC 9520's 1 s to 5 min
constexpr unsigned silent_before_rest = 3;
constexpr double weight = 1.0 / 8;
constexpr auto half_life = 30s;  // of a measurement
constexpr base::Duration least_hedge = 20ms, most_hedge = 1s, hedge_unknown = 300ms;
constexpr unsigned enough_samples = 16, most_samples = 512;
constexpr double first_bucket_us = 500;

double microseconds(base::Duration duration) {
  return double(duration.count()) / 1000;
}

}  // namespace

void Figures::answered(base::Time now) noexcept {
  counters_->answered.add();
  answered_at_ = now;
  silent_ = 0;
  if (resting_) set_resting(false);
}

void Figures::try_anew() noexcept {
  silent_ = 0;
  if (resting_) set_resting(false);
}

void Figures::took(base::Duration duration, base::Time now) noexcept {
  const double us = std::max(microseconds(duration), 1.0);
  ewma_us_ = measured_ == base::Time{} ? us : ewma_us_ + (us - ewma_us_) * weight;
  measured_ = now;
  counters_->latency.set(std::uint64_t(ewma_us_));
  const double place = us <= first_bucket_us ? 0 : std::ceil(2 * std::log2(us / first_bucket_us));
  ++counts_[std::min(std::size_t(place), buckets - 1)];
  if (++samples_ < most_samples) return;
  samples_ = 0;
  for (std::uint16_t& count : counts_) samples_ += count = std::uint16_t(count / 2);
}

void Figures::slower_than(base::Duration duration, base::Time now) noexcept {
  const double us = microseconds(duration);
  if (us <= ewma_us_) return;
  ewma_us_ = us;
  measured_ = now;
}

void Figures::set_resting(bool resting) noexcept {
  resting_ = resting;
  counters_->resting.set(resting ? 1 : 0);
}

void Figures::rest(base::Time now, bool by_silence) noexcept {
  if (resting_) return;  // what was under way when it began to rest counts once
  set_resting(true);
  by_silence_ = by_silence;
  probed_ = now;
  probe_after_ = first_rest;
}

void Figures::failed(base::Time now) noexcept {
  counters_->failures.add();
  if (resting_) by_silence_ = false;
  rest(now, false);
}

void Figures::timed_out(base::Time sent, base::Time now) noexcept {
  counters_->timeouts.add();
  if (answered_at_ > sent) return;
  if (++silent_ >= silent_before_rest) rest(now, true);
}

bool Figures::may_probe(base::Time now, base::Duration longest) noexcept {
  if (!resting_ || now < probed_ + std::min(probe_after_, longest)) return false;
  probed_ = now;
  probe_after_ = std::min(2 * probe_after_, longest_rest);
  return true;
}

double Figures::score(base::Time now) const noexcept {
  if (measured_ == base::Time{}) return 0;
  const double age = double((now - measured_).count()) / double(base::Duration(half_life).count());
  return ewma_us_ * std::exp2(-std::max(age, 0.0));
}

base::Duration Figures::hedge_after() const noexcept {
  if (samples_ < enough_samples) return hedge_unknown;
  unsigned left = samples_ / 20;  // this many may be slower
  for (std::size_t i = buckets; i-- > 0;) {
    if (counts_[i] > left) {
      const double us = first_bucket_us * std::exp2(double(i) / 2);
      return std::clamp<base::Duration>(std::chrono::microseconds(std::int64_t(us)), least_hedge,
                                        most_hedge);
    }
    left -= counts_[i];
  }
  return hedge_unknown;
}

}  // namespace culvert::dns
