// The replay window against a set of every counter that was ever accepted.
#include <cstdlib>
#include <set>

#include "wg/replay_window.hpp"

using culvert::wg::reject_after_messages;
using culvert::wg::ReplayWindow;

namespace {

class Model {
 public:
  bool accept(std::uint64_t counter) {
    if (counter >= reject_after_messages) return false;
    if (!seen_.empty() && newest() > counter && newest() - counter > ReplayWindow::size)
      return false;
    return seen_.insert(counter).second;
  }
  std::uint64_t newest() const { return seen_.empty() ? 0 : *seen_.rbegin(); }

 private:
  std::set<std::uint64_t> seen_;
};

}  // namespace

// A step is a place to measure from and a distance of 16 bits.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ReplayWindow window;
  Model model;
  for (std::size_t at = 0; at + 3 <= size && at < 30'000; at += 3) {
    const std::uint64_t distance = data[at + 1] * 256u + data[at + 2];
    std::uint64_t counter = 0;
    switch (data[at] % 6) {
      case 0:
        counter = distance;
        break;
      case 1:
        counter = model.newest() + distance;
        break;
      case 2:
        counter = model.newest() - distance;
        break;
      case 3:
        counter = model.newest() - ReplayWindow::size + distance % 128 - 64;
        break;
      case 4:
        counter = reject_after_messages - distance;
        break;
      default:
        counter = model.newest() + (distance << (data[at] / 6));
        break;
    }
    if (window.accept(counter) != model.accept(counter)) std::abort();
  }
  return 0;
}
