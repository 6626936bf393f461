-- CreateTable
CREATE TABLE "reel_projects" (
    "id" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "reel_projects_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "reel_clips" (
    "id" TEXT NOT NULL,
    "projectId" TEXT NOT NULL,
    "sourceUrl" TEXT NOT NULL,
    "position" INTEGER NOT NULL,

    CONSTRAINT "reel_clips_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "reel_projects_userId_idx" ON "reel_projects"("userId");

-- CreateIndex
CREATE UNIQUE INDEX "reel_clips_projectId_position_key" ON "reel_clips"("projectId", "position");

-- AddForeignKey
ALTER TABLE "reel_projects" ADD CONSTRAINT "reel_projects_userId_fkey" FOREIGN KEY ("userId") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "reel_clips" ADD CONSTRAINT "reel_clips_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "reel_projects"("id") ON DELETE CASCADE ON UPDATE CASCADE;
