// A socket that only we can reach, for a library that takes no descriptor but connects by itself. It is in a folder of our own, and
// is removed with this object.
#pragma once

#include <string>

#include "base/unique_fd.hpp"

namespace ble {

class MeetingPoint {
  public:
    // In $TMPDIR, or /tmp, or /dev/shm where that cannot be written to. Error(system).
    MeetingPoint();
    ~MeetingPoint();
    MeetingPoint(const MeetingPoint &) = delete;
    MeetingPoint &operator=(const MeetingPoint &) = delete;

    const std::string &path() const { return path_; }
    // Our end of a connection that was made to it; does not block. Error(system): there is none.
    UniqueFd accept() const;

  private:
    std::string folder_, path_;
    UniqueFd listener_;
};

}  // namespace ble
