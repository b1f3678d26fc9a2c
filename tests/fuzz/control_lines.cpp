// The lines of the control channel, both ways: what is read is written as a line that reads the
// same. The first byte says which way.
#include <cstddef>
#include <cstdint>
#include <string>

#include "app/control_message.hpp"
#include "app/order.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace culvert::app;
  if (size == 0) return 0;
  std::string line(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    const auto message = parse_line(line);
    if (!message) return 0;
    const auto again = parse_line(to_line(*message));
    if (!again || !(*again == *message)) __builtin_trap();
    return 0;
  }
  const auto order = parse_order(line);
  if (!order) return 0;
  const std::string once = to_line(*order);
  std::string copy = once;
  const auto again = parse_order(copy);
  if (!again || to_line(*again) != once) __builtin_trap();
  return 0;
}
