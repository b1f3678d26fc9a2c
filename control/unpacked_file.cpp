#include "control/unpacked_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/file_descriptor.hpp"

namespace culvert::control {
namespace {

constexpr std::string_view magic = "\x1f\x8b";
constexpr int gzip_only = 16 + MAX_WBITS;

std::string failed(const char* what) {
  return fmt::format("{}: {}", what, std::strerror(errno));
}

}  // namespace

struct UnpackedFile::Target {
  std::string write(std::string_view bytes);

  std::string path;
  std::uint64_t max_size = 0;
  base::FileDescriptor file;
  std::uint64_t packed = 0, size = 0;
  bool finished = false;
};

std::string UnpackedFile::Target::write(std::string_view bytes) {
  size += bytes.size();
  if (size > max_size) return fmt::format("it has more than {} bytes unpacked", max_size);
  if (size > ratio_from && size / highest_ratio > packed)
    return fmt::format("it unpacks to more than {} times its size", highest_ratio);
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return failed("write");
    bytes.remove_prefix(std::size_t(written));
  }
  return {};
}

// Tells by the first two octets whether what it is given is packed.
struct UnpackedFile::Layer {
  enum class State : std::uint8_t { beginning, plain, packed, between };

  Layer(unsigned depth, Target& to) : target(to) {
    if (depth < most_layers) next = std::make_unique<Layer>(depth + 1, to);
  }
  ~Layer() { ::inflateEnd(&stream); }
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  std::string feed(std::string_view bytes);
  std::string decide(bool whole);
  std::string inflate(std::string_view bytes);
  std::string pass_on(std::string_view bytes) {
    return next ? next->feed(bytes) : target.write(bytes);
  }
  std::string finish();

  Target& target;
  std::unique_ptr<Layer> next;  // null: what comes out is written as it is
  State state = State::beginning;
  std::string begun;
  z_stream stream{};
};

std::string UnpackedFile::Layer::feed(std::string_view bytes) {
  switch (state) {
    case State::beginning:
      begun += bytes;
      return decide(false);
    case State::plain:
      return target.write(bytes);
    default:
      return inflate(bytes);
  }
}

std::string UnpackedFile::Layer::decide(bool whole) {
  if (begun.size() < magic.size() && !whole) return {};
  const std::string bytes = std::move(begun);
  // Behind the last layer nothing is unpacked: packed thrice is no list.
  if (!next || !bytes.starts_with(magic)) {
    state = State::plain;
    return target.write(bytes);
  }
  if (::inflateInit2(&stream, gzip_only) != Z_OK) return "zlib: out of memory";
  state = State::packed;
  return inflate(bytes);
}

// One gzip member may follow the other (RFC 1952 section 2.2), or zeros that fill a block.
std::string UnpackedFile::Layer::inflate(std::string_view bytes) {
  std::array<char, 64 * 1024> room;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = uInt(bytes.size());
  while (stream.avail_in > 0 || stream.avail_out == 0) {
    if (state == State::between) {
      for (; stream.avail_in > 0 && *stream.next_in == 0; --stream.avail_in) ++stream.next_in;
      if (stream.avail_in == 0) break;
      ::inflateReset(&stream);
      state = State::packed;
    }
    stream.next_out = reinterpret_cast<Bytef*>(room.data());
    stream.avail_out = uInt(room.size());
    const int result = ::inflate(&stream, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
      return fmt::format("it is damaged: {}", stream.msg ? stream.msg : "gzip");
    std::string why = pass_on({room.data(), room.size() - stream.avail_out});
    if (!why.empty()) return why;
    if (result == Z_STREAM_END) state = State::between;
    if (result == Z_BUF_ERROR) break;
  }
  return {};
}

std::string UnpackedFile::Layer::finish() {
  if (state == State::beginning)
    if (std::string why = decide(true); !why.empty()) return why;
  if (state == State::packed) return "it breaks off in the middle of what gzip packed";
  if (state == State::plain) return {};
  return next ? next->finish() : std::string();
}

UnpackedFile::UnpackedFile(std::string path, std::uint64_t max_size)
    : target_(std::make_unique<Target>()) {
  target_->path = std::move(path);
  target_->max_size = max_size;
  first_ = std::make_unique<Layer>(0, *target_);
}

UnpackedFile::~UnpackedFile() {
  if (target_->file && !target_->finished) ::unlink(target_->path.c_str());
}

std::string UnpackedFile::open() {
  const std::string& path = target_->path;
  ::unlink(path.c_str());
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  target_->file = base::FileDescriptor(::open(path.c_str(), flags, S_IRUSR | S_IWUSR));
  return target_->file ? std::string() : failed(path.c_str());
}

std::string UnpackedFile::write(std::string_view bytes) {
  target_->packed += bytes.size();
  return first_->feed(bytes);
}

std::string UnpackedFile::finish() {
  if (std::string why = first_->finish(); !why.empty()) return why;
  if (::fsync(target_->file.get()) != 0) return failed("fsync");
  target_->finished = true;
  return {};
}

std::uint64_t UnpackedFile::size() const noexcept {
  return target_->size;
}

}  // namespace culvert::control
