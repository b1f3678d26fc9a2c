#include "dns/cache.hpp"

#include "dns/handed_out.hpp"
#include "tests/dns/resolver_bed.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
namespace type = dns::type;

namespace {

// An image of an answer with one address.
struct Made {
  std::vector<std::byte> buffer = std::vector<std::byte>(4096);
  dns::CleanAnswer clean;
  dns::AnswerImage image;

  explicit Made(const std::string& name, std::uint32_t ttl = 300) {
    const auto message =
        upstream_answer(name_of(name), type::a, {address(name, "93.184.216.34", ttl)});
    const dns::Name asked = name_of(name);
    dns::clean_answer(message, {.name = asked, .type = type::a}, buffer, clean);
    image = dns::make_image(base::MutableBytes(buffer).first(clean.message.size()), clean, {});
  }
};

dns::CacheKey key(const std::string& name, std::uint32_t set = 0) {
  return {name_of(name), type::a, dns::class_::in, set, false, false};
}

std::string nth(int i) {
  return "name" + std::to_string(i) + ".example.com";
}

}  // namespace

TEST_CASE("the cache finds what was stored under the same key only") {
  CountingRandom random;
  dns::Cache cache(1 << 20, random);
  const base::Time now{1s};
  const Made made("www.example.com");
  REQUIRE(cache.store(key("www.example.com"), made.image, now) != nullptr);
  const dns::CacheEntry* const entry = cache.find(key("www.example.com"));
  REQUIRE(entry != nullptr);
  CHECK(entry->fresh(now + 299s));
  CHECK_FALSE(entry->fresh(now + 300s));
  CHECK(entry->elapsed(now + 10s) == 10);
  const dns::AnswerImage image = entry->image();
  CHECK(std::equal(image.wire.begin(), image.wire.end(), made.image.wire.begin(),
                   made.image.wire.end()));
  CHECK(image.ttls.size() == 1);
  CHECK(cache.find(key("www.example.com", 1)) == nullptr);
  CHECK(cache.find(key("ww.example.com")) == nullptr);
  auto with_do = key("www.example.com");
  with_do.dnssec_ok = true;
  CHECK(cache.find(with_do) == nullptr);
}

TEST_CASE("an entry of one address costs at most 300 bytes") {
  CountingRandom random;
  dns::Cache cache(16 << 20, random);
  const std::size_t before = cache.bytes();
  for (int i = 0; i < 200; ++i) cache.store(key(nth(i)), Made(nth(i)).image, base::Time(1s));
  CHECK((cache.bytes() - before) / 200 <= 300);
}

TEST_CASE("the cache keeps to its bytes, and who was asked for lately stays") {
  CountingRandom random;
  constexpr std::size_t limit = 64 << 10;
  dns::Cache cache(limit, random);
  const base::Time now{1s};
  for (int i = 0; i < 2000; ++i) {
    cache.store(key(nth(i)), Made(nth(i)).image, now);
    REQUIRE(cache.bytes() <= limit);
    cache.find(key(nth(0)));
  }
  CHECK(cache.find(key(nth(0))) != nullptr);
  CHECK(cache.find(key(nth(1))) == nullptr);
  CHECK(cache.find(key(nth(1999))) != nullptr);
  CHECK(cache.entries() > 100);
  cache.set_bytes(16 << 10);
  CHECK(cache.bytes() <= 16 << 10);
  cache.clear();
  CHECK(cache.entries() == 0);
  CHECK(cache.find(key(nth(1999))) == nullptr);
}

TEST_CASE("an answer that would take too much of the cache is not stored") {
  CountingRandom random;
  dns::Cache cache(1000, random);
  CHECK(cache.store(key("a.example.com"), Made("a.example.com").image, base::Time(1s)) == nullptr);
  CHECK(cache.entries() == 0);
}

TEST_CASE("what is stored again takes the place of what was there") {
  CountingRandom random;
  dns::Cache cache(1 << 20, random);
  cache.store(key("a.example.com"), Made("a.example.com", 10).image, base::Time(1s));
  const std::size_t bytes = cache.bytes();
  cache.store(key("a.example.com"), Made("a.example.com", 20).image, base::Time(2s));
  CHECK(cache.entries() == 1);
  CHECK(cache.bytes() == bytes);
  CHECK(cache.find(key("a.example.com"))->expires() == base::Time(22s));
}

TEST_CASE("of the addresses handed out the oldest go") {
  dns::HandedAddresses handed;
  const auto nth_address = [](std::uint32_t i) { return base::IpAddress::v4(0x0b000000 + i); };
  const dns::Name name = name_of("a.example");
  const base::Time until{100s};
  for (std::uint32_t i = 0; i < dns::HandedAddresses::most; ++i)
    handed.note(nth_address(i), &name, until);
  handed.note(nth_address(0), &name, until);  // the newest now
  handed.note(nth_address(99999), &name, until);
  CHECK(handed.size() == dns::HandedAddresses::most);
  CHECK(handed.find(nth_address(0), base::Time(1s)).known);
  CHECK_FALSE(handed.find(nth_address(1), base::Time(1s)).known);
  CHECK(handed.find(nth_address(99999), until).known);
  CHECK_FALSE(handed.find(nth_address(99999), until + 1s).known);
}
