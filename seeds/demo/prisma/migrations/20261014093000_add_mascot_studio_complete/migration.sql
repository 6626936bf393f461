-- Mascot Studio and Pose Studio: all tables, or none of them.
BEGIN;

-- CreateTable
CREATE TABLE IF NOT EXISTS "mascot_projects" (
    "id" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "mascot_projects_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE IF NOT EXISTS "mascots" (
    "id" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "projectId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "baseImageUrl" TEXT NOT NULL,
    "personaName" TEXT,
    "personaAge" INTEGER,
    "personaPersonality" TEXT,
    "personaBackground" TEXT,
    "style" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "mascots_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE IF NOT EXISTS "mascot_presets" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "category" TEXT NOT NULL,
    "previewImageUrl" TEXT NOT NULL,
    "personaTemplate" JSONB NOT NULL,
    "generationPrompt" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "mascot_presets_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE IF NOT EXISTS "persona_samples" (
    "id" TEXT NOT NULL,
    "category" TEXT NOT NULL,
    "personaName" TEXT NOT NULL,
    "personaAge" INTEGER NOT NULL,
    "personality" TEXT NOT NULL,
    "background" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "persona_samples_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE IF NOT EXISTS "mascot_usage_history" (
    "id" TEXT NOT NULL,
    "mascotId" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "appSlug" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "metadata" JSONB,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "mascot_usage_history_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE IF NOT EXISTS "mascot_generations" (
    "id" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "mascotId" TEXT,
    "projectId" TEXT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'pending',
    "prompt" TEXT NOT NULL,
    "options" JSONB,
    "errorMessage" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "completedAt" TIMESTAMP(3),

    CONSTRAINT "mascot_generations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE IF NOT EXISTS "pose_categories" (
    "id" TEXT NOT NULL,
    "slug" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "position" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "pose_categories_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE IF NOT EXISTS "pose_library" (
    "id" TEXT NOT NULL,
    "categoryId" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "previewUrl" TEXT NOT NULL,
    "difficulty" INTEGER NOT NULL DEFAULT 1,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "pose_library_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE IF NOT EXISTS "pose_projects" (
    "id" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "pose_projects_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE IF NOT EXISTS "pose_generations" (
    "id" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "projectId" TEXT NOT NULL,
    "mascotId" TEXT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'pending',
    "expectedCount" INTEGER NOT NULL,
    "doneCount" INTEGER NOT NULL DEFAULT 0,
    "brandKitId" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "pose_generations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE IF NOT EXISTS "generated_poses" (
    "id" TEXT NOT NULL,
    "generationId" TEXT NOT NULL,
    "poseId" TEXT NOT NULL,
    "imageUrl" TEXT,
    "success" BOOLEAN NOT NULL DEFAULT false,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "generated_poses_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE IF NOT EXISTS "pose_selections" (
    "id" TEXT NOT NULL,
    "generationId" TEXT NOT NULL,
    "poseId" TEXT NOT NULL,

    CONSTRAINT "pose_selections_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE IF NOT EXISTS "pose_requests" (
    "id" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "text" TEXT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'open',
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "pose_requests_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX IF NOT EXISTS "mascot_projects_userId_idx" ON "mascot_projects"("userId");

-- CreateIndex
CREATE INDEX IF NOT EXISTS "mascots_userId_idx" ON "mascots"("userId");

-- CreateIndex
CREATE INDEX IF NOT EXISTS "mascots_projectId_idx" ON "mascots"("projectId");

-- CreateIndex
CREATE INDEX IF NOT EXISTS "mascot_presets_category_idx" ON "mascot_presets"("category");

-- CreateIndex
CREATE INDEX IF NOT EXISTS "persona_samples_category_idx" ON "persona_samples"("category");

-- CreateIndex
CREATE INDEX IF NOT EXISTS "mascot_usage_history_mascotId_idx" ON "mascot_usage_history"("mascotId");

-- CreateIndex
CREATE INDEX IF NOT EXISTS "mascot_usage_history_userId_idx" ON "mascot_usage_history"("userId");

-- CreateIndex
CREATE INDEX IF NOT EXISTS "mascot_generations_userId_idx" ON "mascot_generations"("userId");

-- CreateIndex
CREATE INDEX IF NOT EXISTS "mascot_generations_projectId_idx" ON "mascot_generations"("projectId");

-- CreateIndex
CREATE INDEX IF NOT EXISTS "mascot_generations_mascotId_idx" ON "mascot_generations"("mascotId");

-- CreateIndex
CREATE UNIQUE INDEX IF NOT EXISTS "pose_categories_slug_key" ON "pose_categories"("slug");

-- CreateIndex
CREATE INDEX IF NOT EXISTS "pose_library_categoryId_idx" ON "pose_library"("categoryId");

-- CreateIndex
CREATE INDEX IF NOT EXISTS "pose_projects_userId_idx" ON "pose_projects"("userId");

-- CreateIndex
CREATE INDEX IF NOT EXISTS "pose_generations_userId_idx" ON "pose_generations"("userId");

-- CreateIndex
CREATE INDEX IF NOT EXISTS "pose_generations_projectId_idx" ON "pose_generations"("projectId");

-- CreateIndex
CREATE INDEX IF NOT EXISTS "generated_poses_generationId_idx" ON "generated_poses"("generationId");

-- CreateIndex
CREATE UNIQUE INDEX IF NOT EXISTS "pose_selections_generationId_poseId_key" ON "pose_selections"("generationId", "poseId");

-- CreateIndex
CREATE INDEX IF NOT EXISTS "pose_requests_userId_idx" ON "pose_requests"("userId");

-- AddForeignKey
ALTER TABLE "mascot_projects" ADD CONSTRAINT "mascot_projects_userId_fkey" FOREIGN KEY ("userId") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "mascots" ADD CONSTRAINT "mascots_userId_fkey" FOREIGN KEY ("userId") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "mascots" ADD CONSTRAINT "mascots_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "mascot_projects"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "mascot_usage_history" ADD CONSTRAINT "mascot_usage_history_mascotId_fkey" FOREIGN KEY ("mascotId") REFERENCES "mascots"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "mascot_usage_history" ADD CONSTRAINT "mascot_usage_history_userId_fkey" FOREIGN KEY ("userId") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "mascot_generations" ADD CONSTRAINT "mascot_generations_userId_fkey" FOREIGN KEY ("userId") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "mascot_generations" ADD CONSTRAINT "mascot_generations_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "mascot_projects"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "mascot_generations" ADD CONSTRAINT "mascot_generations_mascotId_fkey" FOREIGN KEY ("mascotId") REFERENCES "mascots"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "pose_library" ADD CONSTRAINT "pose_library_categoryId_fkey" FOREIGN KEY ("categoryId") REFERENCES "pose_categories"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "pose_projects" ADD CONSTRAINT "pose_projects_userId_fkey" FOREIGN KEY ("userId") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "pose_generations" ADD CONSTRAINT "pose_generations_userId_fkey" FOREIGN KEY ("userId") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "pose_generations" ADD CONSTRAINT "pose_generations_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "pose_projects"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "pose_generations" ADD CONSTRAINT "pose_generations_mascotId_fkey" FOREIGN KEY ("mascotId") REFERENCES "mascots"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "generated_poses" ADD CONSTRAINT "generated_poses_generationId_fkey" FOREIGN KEY ("generationId") REFERENCES "pose_generations"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "generated_poses" ADD CONSTRAINT "generated_poses_poseId_fkey" FOREIGN KEY ("poseId") REFERENCES "pose_library"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "pose_selections" ADD CONSTRAINT "pose_selections_generationId_fkey" FOREIGN KEY ("generationId") REFERENCES "pose_generations"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "pose_selections" ADD CONSTRAINT "pose_selections_poseId_fkey" FOREIGN KEY ("poseId") REFERENCES "pose_library"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "pose_requests" ADD CONSTRAINT "pose_requests_userId_fkey" FOREIGN KEY ("userId") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

COMMIT;
