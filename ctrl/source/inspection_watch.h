// Reads the rules of inspections again when their files change, on a thread of its own.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "ctrl/intent/inspection_model.h"
#include "ctrl/intent/shared_map.h"
#include "ctrl/observed/inspection_contents.h"
#include "ctrl/source/files_watch.h"

namespace sluice::ctrl {

class InspectionWatch {
 public:
  /// Called on the watch's own thread, which it may keep waiting.
  using Deliver = std::function<void(std::vector<InspectionReading>)>;
  /// Its end waits for the reading that is under way.
  explicit InspectionWatch(Deliver deliver);

  /// The inspections that count from now on. Any thread; never waits.
  void follow(const SharedMap<InspectionModel>& inspections);

 private:
  std::mutex mutex_;
  SharedMap<InspectionModel> followed_;
  FilesWatch watch_;
};

}  // namespace sluice::ctrl
