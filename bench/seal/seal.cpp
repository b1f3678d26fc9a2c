// What the cryptography costs: ns a packet, seal and open, for each AEAD backend of this build and
// CPU, and ns a call for what a handshake is made of. The best of several rounds is printed.
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "wg/aead.hpp"
#include "wg/crypto.hpp"
#include "wg/keys.hpp"

namespace {

using namespace culvert;
using Clock = std::chrono::steady_clock;

template <class Call>
double best_ns(int calls, Call call) {
  double best = 1e18;
  for (int round = 0; round < 9; ++round) {
    const auto start = Clock::now();
    for (int i = 0; i < calls; ++i) call();
    const double total = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    best = std::min(best, total / calls);
  }
  return best;
}

void measure_backend(const wg::Aead& aead, std::size_t size) {
  std::array<std::byte, 32> key{std::byte{1}};
  std::vector<std::byte> plain(size), sealed(size + wg::tag_size);
  std::uint64_t counter = 0;
  const double seal = best_ns(20'000, [&] { aead.seal(key, ++counter, plain, sealed); });
  const double open = best_ns(20'000, [&] {
    if (!aead.open(key, counter, sealed, plain)) std::abort();
  });
  std::printf("%-18.*s %5zu bytes  seal %6.0f ns  open %6.0f ns  (%.1f Gbit/s)\n",
              int(aead.name().size()), aead.name().data(), size, seal, open,
              8.0 * double(size) / seal);
}

void measure_handshake_parts() {
  base::SystemRandom random;
  const wg::PrivateKey ours = wg::generate_private_key(random);
  const wg::PublicKey theirs = wg::public_key_of(wg::generate_private_key(random));
  std::array<std::byte, 32> key{};
  std::array<std::byte, 116> message{};
  wg::Key first, second;
  std::array<wg::Key*, 2> outs{&first, &second};
  const base::Bytes bytes(message);
  std::printf("hash of 64 bytes   %6.0f ns\n",
              best_ns(20'000, [&] { (void)wg::hash(base::Pieces(bytes.first(64))); }));
  std::printf("mac1               %6.0f ns\n",
              best_ns(20'000, [&] { (void)wg::mac(key, base::Pieces(bytes)); }));
  std::printf("KDF of two keys    %6.0f ns\n",
              best_ns(10'000, [&] { wg::kdf(outs, key, bytes.first(32)); }));
  std::printf("DH                 %6.0f ns\n", best_ns(300, [&] { (void)wg::dh(ours, theirs); }));
  std::printf("new key pair       %6.0f ns\n",
              best_ns(300, [&] { (void)wg::public_key_of(wg::generate_private_key(random)); }));
}

}  // namespace

int main() {
  wg::init_crypto();
  for (std::size_t size : {std::size_t{64}, std::size_t{1420}})
    for (const wg::Aead* aead : wg::aead_backends()) measure_backend(*aead, size);
  measure_handshake_parts();
}
