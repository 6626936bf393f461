-- AlterTable
ALTER TABLE "users" ADD COLUMN IF NOT EXISTS "unlimitedUntil" TIMESTAMP(3);

-- AlterTable
ALTER TABLE "pose_generations" DROP COLUMN "brandKitId";

-- AlterTable
ALTER TABLE "generated_poses" ADD COLUMN "variationKey" TEXT NOT NULL DEFAULT 'base';

-- CreateIndex
CREATE UNIQUE INDEX "generated_poses_generationId_poseId_variationKey_key" ON "generated_poses"("generationId", "poseId", "variationKey");
