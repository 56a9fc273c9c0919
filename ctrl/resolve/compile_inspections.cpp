// What services' payloads are scanned by.
#include <utility>

#include "ctrl/resolve/compile_step.h"
#include "dataplane/inspect/inspection.h"

namespace sluice::ctrl {
namespace {

/// What a service had before, or null.
const dataplane::Inspection* former_inspection(const CompileStep& step, lb::ServiceId id) {
  if (!step.previous || !step.previous->inspections || id >= step.previous->inspections->size())
    return nullptr;
  return (*step.previous->inspections)[id].get();
}

}  // namespace

void compile_inspections(CompileStep& step) {
  const InspectionContents& contents = step.in.effective.inspections;
  const uint64_t before = step.previous ? step.previous->inspection_generation : 0;
  step.tables.inspection_generation = before;
  const bool same_contents = step.in.before && step.in.before->inspections == contents;
  if (!step.services_changed && same_contents) {
    step.tables.inspections = step.previous->inspections;
    return;
  }
  auto list = std::make_shared<dataplane::InspectionList>(step.tables.services->size());
  bool any = false;
  for (const auto& [name, service] : step.model.services) {
    const auto content = contents.find(service->inspect);
    // Without any rules, which a file may come to, there is nothing to look for.
    if (content == contents.end() || content->second->rules->empty()) continue;
    const lb::ServiceId id = *step.ids.find_service(identity_of(*service));
    (*list)[id] = content->second->inspection;
    any = true;
    const dataplane::Inspection* const former = former_inspection(step, id);
    const bool is_new = former == nullptr || !former->is_stream();
    if (is_new && content->second->inspection->is_stream()) {
      step.tables.inspection_generation = step.in.generation;
    }
  }
  if (any) step.tables.inspections = std::move(list);
}

}  // namespace sluice::ctrl
