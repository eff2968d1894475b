#include "base/gzip.hpp"

#include <zlib.h>

#include "base/error.hpp"

namespace ble {
namespace {

constexpr int with_gzip_header = 16, memory_level = 8;  // zlib.h, deflateInit2

}  // namespace

std::string gzip(std::string_view text, Packing packing) {
    z_stream stream{};
    const int level = packing == Packing::smallest ? Z_BEST_COMPRESSION : Z_BEST_SPEED;
    if (::deflateInit2(&stream, level, Z_DEFLATED, MAX_WBITS + with_gzip_header, memory_level,
                       Z_DEFAULT_STRATEGY) != Z_OK)
        throw Error(ExitCode::system, "unable to compress: there is no memory");
    std::string out(::deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
    stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef *>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    ::deflate(&stream, Z_FINISH);  // deflateBound() leaves room for all of it
    out.resize(stream.total_out);
    ::deflateEnd(&stream);
    return out;
}

}  // namespace ble
