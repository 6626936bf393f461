-- CreateIndex
CREATE INDEX "mascots_projectId_createdAt_idx" ON "mascots"("projectId", "createdAt");

-- CreateIndex
CREATE INDEX "pose_library_categoryId_difficulty_idx" ON "pose_library"("categoryId", "difficulty");
