-- CreateIndex
CREATE INDEX "mascot_generations_status_createdAt_idx" ON "mascot_generations"("status", "createdAt");

-- CreateIndex
CREATE INDEX "pose_generations_status_createdAt_idx" ON "pose_generations"("status", "createdAt");

-- CreateIndex
CREATE INDEX "generated_poses_success_createdAt_idx" ON "generated_poses"("success", "createdAt");
