#include "dns/section_writer.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace culvert::dns {
namespace {

constexpr std::size_t buffer_size = 64 * 1024;

std::string write_all(int fd, base::Bytes octets, std::uint64_t at) {
  while (!octets.empty()) {
    const ssize_t n = ::pwrite(fd, octets.data(), octets.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      return std::string("cannot write the rule table: ") + std::strerror(n < 0 ? errno : ENOSPC);
    octets = octets.subspan(std::size_t(n));
    at += std::uint64_t(n);
  }
  return {};
}

}  // namespace

struct SectionWriter::Checksum {
  Checksum() noexcept { XXH3_64bits_reset(&state); }
  XXH3_state_t state{};
};

SectionWriter::SectionWriter(int fd) : fd_(fd), checksum_(std::make_unique<Checksum>()) {
  buffer_.reserve(buffer_size);
}
SectionWriter::~SectionWriter() = default;

void SectionWriter::put(base::Bytes octets) {
  while (!octets.empty()) {
    const std::size_t n = std::min(octets.size(), buffer_size - buffer_.size());
    buffer_.insert(buffer_.end(), octets.begin(), octets.begin() + std::ptrdiff_t(n));
    at_ += n;
    octets = octets.subspan(n);
    if (buffer_.size() == buffer_size) flush();
  }
}

void SectionWriter::flush() {
  XXH3_64bits_update(&checksum_->state, buffer_.data(), buffer_.size());
  if (error_.empty()) error_ = write_all(fd_, buffer_, at_ - buffer_.size());
  buffer_.clear();
}

void SectionWriter::end_section(RuleFileHeader& header, RuleSection section) {
  header.of(section) = {section_, at_ - section_};
  constexpr std::array<std::byte, section_alignment> zeros{};
  put(base::Bytes(zeros).first((0 - at_) % section_alignment));
  section_ = at_;
}

void SectionWriter::end_bulk(RuleFileHeader& header) {
  flush();
  header.bulk_size = at_ - sizeof(header);
  header.bulk_checksum = XXH3_64bits_digest(&checksum_->state);
  XXH3_64bits_reset(&checksum_->state);
}

std::string SectionWriter::finish(RuleFileHeader& header) {
  flush();
  header.rest_checksum = XXH3_64bits_digest(&checksum_->state);
  header.file_size = at_;
  header.header_checksum = checksum_of_header(header);
  if (error_.empty()) error_ = write_all(fd_, std::as_bytes(std::span(&header, 1)), 0);
  if (error_.empty() && ::fsync(fd_) != 0)
    error_ = std::string("cannot sync the rule table: ") + std::strerror(errno);
  return error_;
}

}  // namespace culvert::dns
