#include "base/gunzip.hpp"

#include <zlib.h>

#include "base/error.hpp"

namespace ble {

struct Gunzip::Stream {
    z_stream z{};
};

namespace {
constexpr std::size_t room_size = std::size_t{64} << 10;
constexpr int gzip_only = 16 + MAX_WBITS;  // of inflateInit2
}  // namespace

Gunzip::Gunzip(std::span<const std::uint8_t> start)
    : stream_(std::make_unique<Stream>()), input_(start.begin(), start.end()), end_(start.size()) {
    if (inflateInit2(&stream_->z, gzip_only) != Z_OK)
        throw Error(ExitCode::system, "unable to begin to unpack gzip data");
}

Gunzip::~Gunzip() {
    inflateEnd(&stream_->z);
}

std::span<std::uint8_t> Gunzip::room() {
    input_.resize(room_size);
    start_ = end_ = 0;
    return input_;
}

void Gunzip::fed(std::size_t bytes) {
    end_ = bytes;
}

std::size_t Gunzip::unpack(std::uint8_t *into, std::size_t size) {
    auto &z = stream_->z;
    z.next_out = into;
    z.avail_out = static_cast<uInt>(size);
    while (!damaged_ && z.avail_out > 0 && (start_ < end_ || !complete_)) {
        if (complete_) {  // another member follows
            inflateReset(&z);
            complete_ = false;
        }
        z.next_in = input_.data() + start_;
        z.avail_in = static_cast<uInt>(end_ - start_);
        const int code = inflate(&z, Z_NO_FLUSH);
        start_ = end_ - z.avail_in;
        if (code == Z_STREAM_END) {
            complete_ = true;
        } else if (code == Z_BUF_ERROR || (code == Z_OK && start_ == end_ && z.avail_out > 0)) {
            break;
        } else if (code != Z_OK) {
            damaged_ = true;
        }
    }
    return size - z.avail_out;
}

}  // namespace ble
